/**
 * What a run has to leave behind in the store, and what it has left: entries of state by computation and cell, as a
 * count and a hash that does not depend on their order. One side is made by plain code, the other read back.
 */
import { systemClock } from "../../src/clock.ts";
import { cbor } from "../../src/computation/cbor-codec.ts";
import { openValue } from "../../src/computation/envelope.ts";
import { shardRef } from "../../src/key.ts";
import { parseStateField } from "../../src/store/address.ts";
import { isReadable } from "../../src/store/reader.ts";
import type { Store } from "../../src/store/store.ts";

/** Entries asked for at once. */
const PAGE = 4_000;

/** A sum of hashes: the same for the same texts in any order. */
export class Digest {
  count = 0;
  #low = 0;
  #high = 0;

  add(text: string): void {
    this.count++;
    this.#low = (this.#low + fnv(text, 0x811c9dc5)) >>> 0;
    this.#high = (this.#high + fnv(text, 0x9747b28c)) >>> 0;
  }
  toString(): string {
    return `${this.count}:${this.#high.toString(16).padStart(8, "0")}${this.#low.toString(16).padStart(8, "0")}`;
  }
}

export function fnv(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

export class Results {
  readonly #cells = new Map<string, Digest>();

  /** A cell that has to be there, if only with nothing in it. */
  of(computation: string, cell: string): Digest {
    const name = `${computation}/${cell}`;
    let digest = this.#cells.get(name);
    if (digest === undefined) this.#cells.set(name, (digest = new Digest()));
    return digest;
  }

  add(computation: string, cell: string, key: string, value: unknown): void {
    this.of(computation, cell).add(`${key}=${canonical(value)}`);
  }

  get entries(): number {
    let sum = 0;
    for (const { count } of this.#cells.values()) sum += count;
    return sum;
  }
  /** Cells without entries are left out: the store knows of none. */
  toString(): string {
    return [...this.#cells]
      .filter(([, { count }]) => count > 0)
      .map(([name, digest]) => `${name} ${digest.toString()}`)
      .sort()
      .join(", ");
  }
}

/** Text of plain data; the order in which an object has its fields does not matter. */
function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "undefined";
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const entries = value instanceof Map ? [...value].map(([name, of]) => [String(name), of] as const) : Object.entries(value);
  return `{${entries
    .map(([name, of]) => `${name}:${canonical(of)}`)
    .sort()
    .join()}}`;
}

/** All state of all computations, from outside. */
export async function readResults(store: Store, pipeline: string): Promise<Results> {
  if (!isReadable(store)) throw new TypeError("this store cannot be read from outside");
  const reader = await store.read({ pipeline, clock: systemClock, whole: true });
  const results = new Results();
  try {
    const graph = await reader.readGraph();
    for (const { kind, name, id, shards, cells } of graph?.participants ?? []) {
      if (kind !== "computation" || cells.length === 0) continue;
      const names = new Map(cells.map((cell) => [cell.id, cell.name]));
      for (let index = 0; index < shards; index++) {
        const seen = new Set<string>();
        let cursor: string | undefined;
        do {
          const page = await reader.readEntries(shardRef(id, index), "state", cursor, PAGE);
          for (const { name: field, bytes } of page.entries) {
            const address = parseStateField(field);
            if (address === undefined || bytes === undefined || seen.has(field)) continue;
            seen.add(field);
            results.add(name, names.get(address.cell) ?? "?", address.key, openValue(cbor(), bytes).value);
          }
          cursor = page.next;
        } while (cursor !== undefined);
      }
    }
  } finally {
    await reader.close();
  }
  return results;
}
