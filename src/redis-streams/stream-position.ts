/**
 * Where an injector stands in a stream, and what of the entries after it is gone. Pure: it judges what a reader has read.
 *
 * P1  With a known number it is exact: entries were trimmed before they were read if and only if more were removed than
 *     there were up to the position, and none of those is left. Removed entries that had been read are no loss.
 */
import { ConfigError } from "../errors.ts";
import { compareIds, entryIdOf, NO_ENTRY } from "./entry-id.ts";

export interface StreamPosition {
  readonly key: string;
  /** Id of the entry that was read last, or `NO_ENTRY`. */
  readonly id: string;
  /** How many entries the stream had ever been given up to that one; undefined: not known yet. */
  readonly number?: number | undefined;
}

/** What a stream is at one moment. */
export interface StreamFacts {
  /** The largest id that it ever gave; "": there is no stream. */
  readonly last: string;
  /** Entries ever added, and those it holds. */
  readonly added: number;
  readonly length: number;
  /** Id of its first entry; "": it holds none. */
  readonly first: string;
}

/** What is gone, in words, and where one may go on if one does without it; `after` undefined: nowhere. */
export interface Loss {
  readonly text: string;
  readonly after: StreamPosition | undefined;
}

/** The position before the first read. Undefined: it cannot be told before there is a stream. */
export function startOf(description: string, key: string, start: string, facts: StreamFacts): StreamPosition | undefined {
  const { last, added, length } = facts;
  if (start === "beginning") return { key, id: NO_ENTRY, number: added - length };
  if (start === "end") return last === "" ? { key, id: NO_ENTRY, number: 0 } : { key, id: last, number: added };
  if (last === "") return undefined;
  if (compareIds(start, last) > 0) {
    throw new ConfigError(`${description}: start is ${start}, but its last entry is ${last}; give the id of an entry, "beginning" or "end"`);
  }
  return start === last ? { key, id: start, number: added } : { key, id: start };
}

export function lossAfter(position: StreamPosition, facts: StreamFacts): Loss | undefined {
  const { key, id, number } = position;
  const { last, added, length, first } = facts;
  if (last === "") return undefined;
  const removed = added - length;
  /** Is everything up to the position gone? Otherwise nothing after it was trimmed, though it may have been deleted. */
  const bare = first === "" || compareIds(first, id) > 0;
  const at = number === undefined ? `entry ${id}` : `entry ${id}, number ${number}`;
  if (compareIds(last, id) < 0) {
    return {
      text: `was read up to ${at}, but its last entry is ${last}: it was deleted and made anew, or Redis lost the end of it. Give the injector a new name to read what it holds now`,
      after: undefined,
    };
  }
  if (number !== undefined && number > added) {
    return {
      text: `was read up to ${at}, but only ${added} were ever added to it: it was deleted and made anew, or Redis lost the end of it`,
      after: { key, id, number: bare ? removed : undefined },
    };
  }
  if (!bare) return undefined;
  const left = first === "" ? "it holds none now" : `its first entry is now ${first}`;
  if (number !== undefined) {
    if (removed <= number) return undefined;
    return {
      text: `was read up to ${at}, and at least ${removed - number} entries after it were removed before they were read; ${left}`,
      after: { key, id, number: removed },
    };
  }
  if (removed === 0 || last === id) return undefined;
  return { text: `is read from ${at}, and entries after it may be gone: ${removed} were removed, and ${left}`, after: { key, id, number: removed } };
}

/** A position as it was stored; undefined: none. */
export function storedPosition(description: string, key: string, stored: unknown): StreamPosition | undefined {
  if (stored === undefined) return undefined;
  const { key: of, id, number } = Object(stored) as { readonly key?: unknown; readonly id?: unknown; readonly number?: unknown };
  const counted = number === undefined || (typeof number === "number" && Number.isSafeInteger(number) && number >= 0);
  if (typeof of !== "string" || entryIdOf(id) !== id || !counted) {
    throw new ConfigError(`${description}: the stored position is not one of a stream; this injector's name belonged to another one. Give it a new name`);
  }
  if (of === key) return { key, id: id as string, number: number as number | undefined };
  throw new ConfigError(
    `${description}: this partition has read the stream ${JSON.stringify(of)} so far. Keep the keys in their order; to read other streams, give the injector a new name`,
  );
}
