/**
 * A value of the program as the text that a client would send. Pure.
 *
 * J1  What JSON would change or lose is refused, not changed: a date, a Map, an instance of a class, NaN. Properties that
 *     are undefined are left out, as JSON does.
 */
import { messageOf } from "../errors.ts";
import { HTTP_BODY_BYTES } from "../limits.ts";
import { show } from "../options.ts";
import { read, type ReadOutcome, refused } from "./read-outcome.ts";

export function jsonBytes(value: unknown): ReadOutcome<Uint8Array> {
  try {
    const wrong = whyNotJson(value, "the value");
    if (wrong !== undefined) return refused(`${wrong}, which JSON does not carry: give plain data (objects, arrays, strings, numbers, booleans, null)`);
    const bytes = Buffer.from(JSON.stringify(value));
    return bytes.length > HTTP_BODY_BYTES ? refused(`the value has ${bytes.length} bytes as JSON, more than ${HTTP_BODY_BYTES}`) : read(bytes);
  } catch (error) {
    return refused(`the value cannot be JSON: ${messageOf(error)}`);
  }
}

function whyNotJson(value: unknown, place: string): string | undefined {
  if (value === null || typeof value === "string" || typeof value === "boolean") return undefined;
  if (typeof value === "number") return Number.isFinite(value) ? undefined : `${place} is ${value}`;
  if (typeof value !== "object" || !(Array.isArray(value) || isPlain(value))) return `${place} is ${show(value)}`;
  if (Array.isArray(value) && Object.keys(value).length > value.length) return `${place} is an array with properties of its own`;
  for (const [name, part] of partsOf(value)) {
    if (part === undefined && !Array.isArray(value)) continue;
    const wrong = whyNotJson(part, `${place}.${name}`);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** Of an array also what is not there. */
function partsOf(value: object): Iterable<readonly [string | number, unknown]> {
  return Array.isArray(value) ? value.entries() : Object.entries(value);
}

/** Made by `{}`, `Object.create(null)` or in another realm. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
