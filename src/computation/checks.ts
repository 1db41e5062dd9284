/**
 * Checks of what users write down: names, codecs, durations. TypeScript refuses most of these mistakes; plain
 * JavaScript, and casts, meet them here. Every refusal is a `ConfigError`: the place, what was found, what to do.
 */
import { ConfigError } from "../errors.ts";
import { NAME_PATTERN } from "../limits.ts";
import { show as showPlain } from "../options.ts";
import type { Codec } from "./codec.ts";
import { HANDLE, kindOf } from "./handle.ts";

const CODEC_ID = /^[a-z0-9.-]{1,32}$/;
/** Ids whose bytes are fixed by this library: no codec of a user's may bear them. */
const OUR_CODECS = ["cbor", "json"];

/** Any value, for a message, and a handle by its kind and name: short, and never a reason to throw. */
export function show(value: unknown): string {
  const kind = kindOf(value);
  if (kind === undefined) return showPlain(value);
  const { name } = value as { readonly name?: unknown };
  return name === undefined ? `an ${kind}` : `${kind} ${JSON.stringify(name)}`;
}

/** Durable names are part of stored data and of URLs, so their letters are few. `what`: "a stream", "a computation", ... */
export function checkName(what: string, name: unknown): asserts name is string {
  if (typeof name === "string" && NAME_PATTERN.test(name)) return;
  throw new ConfigError(`${what} needs a name of 1 to 64 letters, digits, "_", "." or "-", but it is ${show(name)}`);
}

/** An integer from `least` to `most`. `what`: "ttl, ms,". */
export function checkInteger(where: string, what: string, value: unknown, least: number, most: number = Number.MAX_SAFE_INTEGER): asserts value is number {
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least} up` : `from ${least} to ${most}`;
  throw new ConfigError(`${where}: ${what} is an integer ${range}, but it is ${show(value)}`);
}

/** Earlier names, as given: none, one or several. */
export function checkRenamedFrom(where: string, name: string, renamedFrom: unknown): readonly string[] {
  if (renamedFrom === undefined) return [];
  const names: readonly unknown[] = Array.isArray(renamedFrom) ? renamedFrom : [renamedFrom];
  const seen: string[] = [];
  for (const earlier of names) {
    checkName(`${where}: renamedFrom`, earlier);
    if (earlier === name) throw new ConfigError(`${where}: renamedFrom says the name it has now; leave it out`);
    if (seen.includes(earlier)) throw new ConfigError(`${where}: renamedFrom says ${show(earlier)} twice`);
    seen.push(earlier);
  }
  return Object.freeze(seen);
}

export function checkCodec(where: string, codec: unknown): asserts codec is Codec<unknown> {
  if (typeof codec !== "object" || codec === null)
    throw new ConfigError(`${where}: codec is an object with id, version, encode and decode, but it is ${show(codec)}`);
  const { id, version, encode, decode } = codec as Record<string, unknown>;
  if (typeof id !== "string" || !CODEC_ID.test(id)) {
    throw new ConfigError(`${where}: a codec's id is 1 to 32 of a-z, 0-9, "." and "-", but it is ${show(id)}; it is stored with every value`);
  }
  if (OUR_CODECS.includes(id) && !(HANDLE in codec)) throw new ConfigError(`${where}: codec id ${show(id)} is Millrace's own; give yours another`);
  checkInteger(where, `version of codec ${show(id)}`, version, 0, 65_535);
  if (typeof encode !== "function" || typeof decode !== "function") {
    throw new ConfigError(`${where}: codec ${show(id)} needs encode(value) and decode(bytes, version)`);
  }
}
