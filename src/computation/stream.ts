/** Streams: the named, typed edges of a pipeline. Who produces to them and who reads them is not known here but in the graph. */
import { ConfigError } from "../errors.ts";
import { cbor } from "./cbor-codec.ts";
import { checkOptions } from "../options.ts";
import { checkCodec, checkName, show } from "./checks.ts";
import type { Codec } from "./codec.ts";
import { checkSchema, type Schema } from "./schema.ts";
import { type carries, HANDLE, isHandle } from "./handle.ts";
import type { NameFor } from "./stored.ts";

/**
 * A named, typed edge; any number of producers and consumers. An edge, not a log: a consumer that is added later
 * starts with what is produced from then on.
 */
export interface Stream<T> {
  readonly kind: "stream";
  readonly name: string;
  readonly [carries]: (value: T) => T;
}

/** What a stream holds, for the graph and the engine. */
export interface StreamHandle extends Stream<any> {
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
}

/**
 * Declares a stream, once, to be shared by all who name it. `name` is durable. `codec` (default: `cbor()`) makes bytes
 * of its values; without one, a T that would not survive the store does not compile. Every value is checked with `schema`
 * (zod, valibot, arktype, ...) before it is carried, whoever produces it, and carried as it was given; it has to validate
 * synchronously. A value from outside is better checked by its injector, whose schema may also change it.
 */
export function stream<T>(name: string, options: { readonly codec: Codec<T>; readonly schema?: Schema<T> | undefined }): Stream<T>;
export function stream<T>(name: NameFor<T>, options?: { readonly codec?: undefined; readonly schema?: Schema<T> | undefined }): Stream<T>;
export function stream(name: unknown, options?: { readonly codec?: Codec<any> | undefined; readonly schema?: Schema<any> | undefined }): Stream<any> {
  checkName("a stream", name);
  const where = `stream ${show(name)}`;
  checkOptions(where, options, ["codec", "schema"]);
  const codec: Codec<unknown> = options?.codec ?? cbor();
  checkCodec(where, codec);
  const schema: Schema<unknown> | undefined = options?.schema;
  checkSchema(where, schema);
  const handle = { [HANDLE]: true, kind: "stream", name, codec, schema };
  return Object.freeze(handle) as unknown as StreamHandle;
}

/** `value` as a stream, or a `ConfigError` that says what it is instead. */
export function checkStream(where: string, value: unknown): asserts value is StreamHandle {
  if (isHandle(value, "stream")) return;
  const hint = typeof value === "string" ? `; give the stream itself, as made by stream(${show(value)})` : "";
  throw new ConfigError(`${where}: a stream is expected, but it is ${show(value)}${hint}`);
}
