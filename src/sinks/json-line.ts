/**
 * The text of a value as one line of JSON. What JSON has no notation for is written so that the same kind of value always
 * gives the same shape:
 *
 *   Map               an array of [key, value] pairs      bigint        its decimal digits, as a string
 *   Set               an array                            Date          ISO 8601 in UTC, as a string
 *   bytes             base64, as a string                 other typed arrays    an array of numbers
 *   undefined         null; left out as a property        NaN, Infinity         null
 */

export function jsonLine(value: unknown): string {
  const text = isPlain(value) ? JSON.stringify(value) : JSON.stringify(value, asJson);
  return (text as string | undefined) ?? "null";
}

/** Is there nothing in it that `asJson` would have to change? Most values are plain, and a replacer is slow. */
function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return typeof value !== "bigint";
  if (Array.isArray(value)) return value.every(isPlain);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value instanceof Date;
  for (const key in value) if (!isPlain((value as Record<string, unknown>)[key])) return false;
  return true;
}

/** `value` is what `toJSON` made of the property, so the property itself is looked at. */
function asJson(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key];
  if (typeof original === "bigint") return original.toString();
  if (original instanceof Map || original instanceof Set) return [...(original as Iterable<unknown>)];
  if (original instanceof Uint8Array) return Buffer.from(original.buffer, original.byteOffset, original.byteLength).toString("base64");
  if (ArrayBuffer.isView(original) && Symbol.iterator in original)
    return [...(original as Iterable<unknown> & ArrayBufferView)].map((n) => (typeof n === "bigint" ? n.toString() : n));
  return value;
}
