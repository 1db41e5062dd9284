/** Injectors and sinks as the type tests need them: signatures alone, so that these tests depend on no source of data. */
export { fromIterable } from "millrace";
import type { Injector, InjectorOptions, Sink, StreamRecord } from "millrace";

export declare function fromFile<T>(path: string, options?: InjectorOptions<T>): Injector<T>;
export declare function toFile<T>(path: string): Sink<T>;
export declare function toCallback<T>(callback: (record: StreamRecord<T>) => void | Promise<void>): Sink<T>;
