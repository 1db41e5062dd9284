/**
 * State: the named cells of a key, and what `Context.state` gives for each. A later kind of state (a list, a map) is a
 * new function that gives a `StateCell` with another access; nothing else changes.
 */
import { ConfigError, messageOf } from "../errors.ts";
import { cbor } from "./cbor-codec.ts";
import { checkOptions } from "../options.ts";
import { checkCodec, checkInteger, checkName, checkRenamedFrom, show } from "./checks.ts";
import type { Codec } from "./codec.ts";
import { type carries, HANDLE } from "./handle.ts";
import type { NameFor, Primitive } from "./stored.ts";

/**
 * T as read: one level read-only, so that `x.n++` or `xs.push(y)`, which nobody would write back, does not compile.
 * Deeper levels are not protected by types; tests freeze them all.
 */
export type View<T> = T extends Primitive | Date | Uint8Array
  ? T
  : T extends ReadonlyMap<infer K, infer V>
    ? ReadonlyMap<K, V>
    : T extends ReadonlySet<infer V>
      ? ReadonlySet<V>
      : Readonly<T>;

/** A cell of every key's state, read and written through `Access`. A field of a class: `readonly count = state("count", { initial: 0 })`. */
export interface StateCell<Access> {
  readonly kind: "state";
  readonly name: string;
  readonly [carries]: Access;
}

/** A cell without `initial`: it may be absent. */
export interface OptionalValue<T> {
  /** The value as of the last write, those of this call included; undefined where there is none. A view: not to be changed. */
  get(): View<T> | undefined;
  /** Replaces the value. It is encoded when the call is sealed, so do not change it afterwards. */
  set(value: View<T>): void;
  delete(): void;
}

/** A cell with `initial`: every key has it. */
export interface Value<T> {
  /** The value as of the last write, those of this call included; at first a copy of `initial`. A view: not to be changed. */
  get(): View<T>;
  /** Replaces the value. It is encoded when the call is sealed, so do not change it afterwards. */
  set(value: View<T>): void;
  /** Back to `initial`; nothing stays stored. */
  delete(): void;
  /** The one way to change in place: return the next value, or nothing after changing the given one. */
  update(change: (value: T) => T | void): void;
}

interface CellOptions {
  /** ms after the last write at which the cell is gone, by processing time. Default: never. */
  readonly ttl?: number | undefined;
  /** Earlier names of this cell. */
  readonly renamedFrom?: string | readonly string[] | undefined;
}

/** What a cell holds, for the graph and the engine. */
export interface CellHandle extends StateCell<any> {
  readonly codec: Codec<unknown>;
  readonly initial: unknown;
  readonly ttl: number | undefined;
  readonly renamedFrom: readonly string[];
}

/**
 * Declares a cell of state. `name` is durable. `initial` is copied through the codec for each new key, so it may be an
 * object; without it `get` may give undefined. `codec`: default `cbor()`; without one, a T that would not survive the
 * store does not compile.
 */
export function state<T>(name: string, options: CellOptions & { readonly codec: Codec<T>; readonly initial: T }): StateCell<Value<T>>;
export function state<T>(name: string, options: CellOptions & { readonly codec: Codec<T>; readonly initial?: undefined }): StateCell<OptionalValue<T>>;
export function state<T>(name: NameFor<T>, options?: CellOptions & { readonly codec?: undefined; readonly initial?: undefined }): StateCell<OptionalValue<T>>;
export function state<T>(name: NameFor<T>, options: CellOptions & { readonly codec?: undefined; readonly initial: T }): StateCell<Value<T>>;
export function state(name: unknown, options: CellOptions & { readonly codec?: Codec<any> | undefined; readonly initial?: unknown } = {}): StateCell<any> {
  checkName("state", name);
  const where = `state ${show(name)}`;
  checkOptions(where, options, ["codec", "initial", "ttl", "renamedFrom"]);
  const codec: Codec<unknown> = options.codec ?? cbor();
  checkCodec(where, codec);
  if (options.ttl !== undefined) checkInteger(where, "ttl, ms,", options.ttl, 1);
  if (options.initial !== undefined) checkInitial(where, codec, options.initial);
  const handle = {
    [HANDLE]: true,
    kind: "state",
    name,
    codec,
    initial: options.initial,
    ttl: options.ttl,
    renamedFrom: checkRenamedFrom(where, name, options.renamedFrom),
  };
  return Object.freeze(handle) as unknown as CellHandle;
}

/** An initial value that the codec cannot copy would fail the first record of every key: better here. */
function checkInitial(where: string, codec: Codec<unknown>, initial: unknown): void {
  try {
    codec.decode(codec.encode(initial), codec.version);
  } catch (error) {
    throw new ConfigError(`${where}: codec ${show(codec.id)} cannot copy the initial value: ${messageOf(error)}`, { cause: error });
  }
  // A codec of the user's may well know the user's classes; ours would give them back without their methods.
  if (HANDLE in codec) checkPlain(where, initial, "initial");
}

/** Refuses instances of classes, at any depth. The codec has taken `value`, so there are no cycles. */
function checkPlain(where: string, value: unknown, place: string): void {
  if (typeof value !== "object" || value === null) return;
  if (value instanceof Date || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return;
  if (Array.isArray(value) || value instanceof Set) for (const part of value) checkPlain(where, part, `an element of ${place}`);
  else if (value instanceof Map) for (const part of [...value.keys(), ...value.values()]) checkPlain(where, part, `an entry of ${place}`);
  else if (isPlain(value)) for (const [name, part] of Object.entries(value)) checkPlain(where, part, `${place}.${name}`);
  else
    throw new ConfigError(
      `${where}: ${place} is ${show(value)}, which the store would give back without its methods: give plain data (objects, arrays, Map, Set, Date, bytes), or a codec of your own`,
    );
}

/** Made by `{}`, `Object.create(null)` or in another realm: no class of the user's stands behind it. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
