/**
 * JSON, for values that other programs read in the store. It keeps what JSON has and refuses, when a value is encoded,
 * all that `JSON.stringify` would change in silence: Date, Map, Set, bytes, bigint, NaN, undefined in a list. A property
 * that is undefined is left out, and -0 comes back as 0.
 */
import { InvalidUseError } from "../errors.ts";
import { show } from "./checks.ts";
import type { Codec } from "./codec.ts";
import { HANDLE } from "./handle.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const shared: Codec<any> = Object.freeze({ [HANDLE]: true, id: "json", version: 0, encode, decode });

/** Codec of plain JSON values. */
export function json<T>(): Codec<T> {
  return shared;
}

function encode(value: unknown): Uint8Array {
  check(value, "the value");
  return Buffer.from(JSON.stringify(value));
}

function decode(bytes: Uint8Array): unknown {
  return JSON.parse(decoder.decode(bytes));
}

/** Throws where `value` would not come back as it is. Cycles end in a RangeError, which the caller classes. */
function check(value: unknown, place: string): void {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return;
  if (typeof value === "number") {
    if (Number.isFinite(value)) return;
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) check(value[i], "an element");
    return;
  } else if (typeof value === "object" && isPlain(value)) {
    for (const name of Object.keys(value)) {
      const part = (value as Record<string, unknown>)[name];
      if (part !== undefined) check(part, name);
    }
    return;
  }
  throw new InvalidUseError(`${place} is ${show(value)}, which JSON does not keep: use cbor(), or plain JSON values`);
}

/** An instance may be plain data too; one that says how it is to be written (a Date does) is not. */
function isPlain(value: object): boolean {
  if (value instanceof Map || value instanceof Set || ArrayBuffer.isView(value)) return false;
  return typeof (value as { toJSON?: unknown }).toJSON !== "function";
}
