/**
 * The edges of a pipeline as users see them: what `Pipeline.inject` and `Pipeline.sink` take. Only the types; the
 * sources and targets under them are `injectors/injector.ts` and `sinks/sink.ts`, which also have the factories.
 */
import type { InjectorSource } from "../injectors/injector.ts";
import type { SinkTarget } from "../sinks/sink.ts";
import type { WatermarkPolicy } from "../watermark/policy.ts";
import type { carries } from "./handle.ts";
import type { Schema } from "./schema.ts";

/** Brings values of exactly T into a stream. Made by `fromFile`, `fromIterable`, ... or by `injector` from a source of your own. */
export interface Injector<T> extends InjectorSource {
  readonly [carries]: (value: T) => T;
}

/** Takes records of T out. Made by `toFile`, `toCallback`, ... or by `sink` from a target of your own. */
export interface Sink<T> extends SinkTarget {
  readonly [carries]: (value: T) => void;
}

/** What every injector may be told. */
export interface InjectorOptions<T> {
  /**
   * Any Standard Schema (zod, valibot, arktype, ...), synchronous or not: what it makes of a value is the record's value, and
   * what `timestamp` and `id` see. A value that it refuses, or has not answered for in 30 s, is a dead letter with the paths
   * of what is wrong and the value as it came. Default: none, a value is taken as it comes.
   */
  readonly schema?: Schema<T> | undefined;
  /** Event time of a value, integer ms since the epoch. Default: the source's own, else the time of arrival. */
  readonly timestamp?: ((value: T) => number) | undefined;
  /** Identity of a value, for sources that may deliver one twice: a second one with the same id is dropped. Default: none. */
  readonly id?: ((value: T) => string) | undefined;
  /** How long an id is remembered after the watermark has passed its record, ms; an older one is refused, never taken as new. */
  readonly idRetention?: number | undefined;
  /**
   * False: records keep the ids that `id` gives, and a second one with the same id is taken again: at least once, for who
   * can do with that, without a look-up and a stored id for each record. Default: true, each id is taken once.
   */
  readonly deduplicate?: boolean | undefined;
  /** How the injector promises event time. Default: the injector's own choice, see there. */
  readonly watermark?: WatermarkPolicy | undefined;
  /** A timestamp further ahead of the clock than this, ms, becomes a dead letter and never moves the watermark. */
  readonly maxAhead?: number | undefined;
}

/** Gives a source its type: the way to bring data in from where Millrace has no injector. Its `schema`, if it has one, says what T is. */
export function injector<T>(source: Omit<InjectorSource, "schema"> & { readonly schema?: Schema<T> | undefined }): Injector<T> {
  return source as Injector<T>;
}

/** Gives a target its type: the way to take data out to where Millrace has no sink. */
export function sink<T>(target: SinkTarget): Sink<T> {
  return target as Sink<T>;
}
