/**
 * The state of keys, as it is stored and whoever owns them: one key's cells decoded, and which keys there are. Reads from
 * outside, so any worker answers for all, and what it gives is committed.
 */
import { type Codec } from "../computation/codec.ts";
import { EXPLAIN_CELL } from "../computation/explained.ts";
import { openValue } from "../computation/envelope.ts";
import { messageOf } from "../errors.ts";
import { shardOf, shardRef } from "../key.ts";
import { jsonLine } from "../sinks/json-line.ts";
import { parseStateField, stateField } from "../store/address.ts";
import type { StoreReader } from "../store/reader.ts";
import type { PlannedComputation } from "../worker/plan.ts";
import { RequestError } from "./request-error.ts";
import { isoOf } from "./times.ts";

/** What is stored of one key, as of one commit of its shard. */
export interface StateView {
  readonly pipeline: string;
  readonly worker: string;
  readonly now: number;
  readonly computation: string;
  readonly key: string;
  readonly shard: number;
  /** Number of the shard's commit that it is as of. */
  readonly commit: number;
  /** All that the computation declares. */
  readonly cells: readonly CellView[];
  /** Where the key holds the output watermark (`context.hold`); null: nowhere. */
  readonly hold: number | null;
  readonly holdIso: string | null;
}

export interface CellView {
  readonly name: string;
  readonly codec: string;
  /** false: nothing is, so the code reads what it says the cell is at first. */
  readonly stored: boolean;
  /** As `toFile` writes it: maps as pairs, sets as arrays, bigints, dates and bytes as text. */
  readonly value: unknown;
  /** Of what is stored. */
  readonly bytes: number;
  readonly expiresAt: number | null;
  readonly expiresAtIso: string | null;
  /** Why the value cannot be shown. */
  readonly error?: string;
}

/** A page of the keys of a computation that have state. */
export interface KeysView {
  readonly pipeline: string;
  readonly worker: string;
  readonly now: number;
  readonly computation: string;
  readonly keys: readonly KeyView[];
  /** `cursor` of the next page; null: this was the last. */
  readonly next: string | null;
}

export interface KeyView {
  readonly key: string;
  readonly shard: number;
  /** Names of its cells that are stored. */
  readonly cells: readonly string[];
}

/** The cell that keeps what a key holds. */
const HOLD_CELL = 0;
/** Entries asked for at once. */
const ENTRIES = 1_000;

/** What is stored of a key, as of one commit; undefined: nothing is. */
export async function stateOf(
  reader: StoreReader,
  computation: PlannedComputation,
  key: string,
): Promise<Pick<StateView, "shard" | "commit" | "cells" | "hold" | "holdIso"> | undefined> {
  const shard = shardOf(key, computation.shards);
  const cells = computation.cells.filter(({ node }) => node.name !== EXPLAIN_CELL);
  const fields = [...cells.map(({ id }) => stateField(id, key)), stateField(HOLD_CELL, key)];
  const { number, values } = await reader.readValues(shardRef(computation.id, shard), fields);
  if (values.every((value) => value === undefined)) return undefined;
  const stored = values.at(-1);
  const hold = stored === undefined ? null : Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).readDoubleLE(0);
  return {
    shard,
    commit: number,
    cells: cells.map(({ node }, at) => cellView(node.name, node.codec, values[at])),
    hold,
    holdIso: isoOf(hold ?? undefined),
  };
}

function cellView(name: string, codec: Codec<unknown>, stored: Uint8Array | undefined): CellView {
  const base = { name, codec: codec.id, bytes: stored?.length ?? 0 };
  if (stored === undefined) return { ...base, stored: false, value: null, expiresAt: null, expiresAtIso: null };
  try {
    const { value, expiresAt } = openValue(codec, stored, `state ${name}`);
    return { ...base, stored: true, value: JSON.parse(jsonLine(value)) as unknown, expiresAt: expiresAt ?? null, expiresAtIso: isoOf(expiresAt) };
  } catch (error) {
    return { ...base, stored: true, value: null, expiresAt: null, expiresAtIso: null, error: messageOf(error) };
  }
}

/** Where a page begins: in which shard, at which page of its reader, and behind which key of that. */
interface Place {
  readonly shard: number;
  readonly at: string | undefined;
  readonly after: string | undefined;
}

/**
 * Keys with state, shard by shard. A key that was there from the first page to the last is on one of them, on more than one
 * where the store gives it again.
 */
export async function keysOf(
  reader: StoreReader,
  computation: PlannedComputation,
  { cursor, limit }: { readonly cursor: string | undefined; readonly limit: number },
): Promise<Pick<KeysView, "keys" | "next">> {
  const keys: KeyView[] = [];
  let place: Place | undefined = cursor === undefined ? { shard: 0, at: undefined, after: undefined } : placeOf(cursor, computation.shards);
  while (place !== undefined) {
    const { shard, at, after }: Place = place;
    const { entries, next } = await reader.readEntries(shardRef(computation.id, shard), "state", at, ENTRIES);
    const found: [string, string[]][] = [
      ...namesOf(
        computation,
        entries.map(({ name }) => name),
      ),
    ].sort(([a], [b]) => (a < b ? -1 : 1));
    const rest: typeof found = found.filter(([key]) => after === undefined || key > after);
    const taken: typeof found = rest.slice(0, limit - keys.length);
    keys.push(...taken.map(([key, cells]) => ({ key, shard, cells })));
    if (taken.length < rest.length) place = { shard, at, after: taken.at(-1)?.[0] ?? after };
    else if (next !== undefined) place = { shard, at: next, after: undefined };
    else place = shard + 1 < computation.shards ? { shard: shard + 1, at: undefined, after: undefined } : undefined;
    if (keys.length >= limit) break;
  }
  return { keys, next: place === undefined ? null : Buffer.from(JSON.stringify([place.shard, place.at ?? null, place.after ?? null])).toString("base64url") };
}

function namesOf(computation: PlannedComputation, fields: readonly string[]): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const field of fields) {
    const address = parseStateField(field);
    const found = computation.cells.find(({ id }) => id === address?.cell)?.node.name;
    const name = found === EXPLAIN_CELL ? undefined : found;
    if (address === undefined || (name === undefined && address.cell !== HOLD_CELL)) continue;
    const cells = names.get(address.key) ?? [];
    if (name !== undefined && !cells.includes(name)) cells.push(name);
    names.set(address.key, cells);
  }
  return names;
}

function placeOf(cursor: string, shards: number): Place {
  try {
    const [shard, at, after] = JSON.parse(Buffer.from(cursor, "base64url").toString()) as [unknown, unknown, unknown];
    const isText = (text: unknown): text is string | null => text === null || typeof text === "string";
    if (Number.isInteger(shard) && Number(shard) >= 0 && Number(shard) < shards && isText(at) && isText(after))
      return { shard: Number(shard), at: at ?? undefined, after: after ?? undefined };
  } catch {
    // Said below.
  }
  throw new RequestError(400, "bad-request", "cursor is the next of an earlier answer");
}
