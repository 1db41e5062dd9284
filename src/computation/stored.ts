/**
 * What becomes of a type when its values are stored and read back, in types alone. The default codec keeps plain data,
 * Date, Map, Set and bytes; functions, and so the methods of classes, do not come back.
 */
import type { Wrong } from "./handle.ts";

export type Primitive = string | number | boolean | bigint | null | undefined;

/** T as the default codec gives it back. */
export type Stored<T> = unknown extends T
  ? T
  : T extends Primitive | Date | Uint8Array
    ? T
    : T extends ((...args: never) => unknown) | symbol | PromiseLike<unknown>
      ? never
      : T extends ReadonlyMap<infer K, infer V>
        ? ReadonlyMap<Stored<K>, Stored<V>>
        : T extends ReadonlySet<infer V>
          ? ReadonlySet<Stored<V>>
          : { [K in keyof T]: Stored<T[K]> };

type LostKeys<T> = { [K in keyof T & string]: [T[K]] extends [Stored<T[K]>] ? never : K }[keyof T & string];

/** A durable name, if values of T survive the default codec. In generic code, where T is not known yet, give a codec (`cbor()`). */
export type NameFor<T> = [T] extends [Stored<T>]
  ? string
  : [Stored<T>] extends [never]
    ? Wrong<"a function, symbol or promise does not come back from the store">
    : Wrong<`'${LostKeys<T>}' does not come back from the store: keep plain data, or give a codec`>;
