/** What the keys in memory keep alive beside themselves. */
import { describe, expect, test } from "vitest";
import { cbor } from "../../src/computation/cbor-codec.ts";
import { KeyCache } from "../../src/worker/key-cache.ts";
import { Cell, KeyState, type PlannedCell } from "../../src/worker/key-state.ts";

const PLANNED = { id: 1, node: { name: "count", codec: cbor() } } as unknown as PlannedCell;
const KEYS = 4_000;
const PAGE = 8_192;

let drawn = 1;
const draw = (): number => (drawn = (Math.imul(drawn, 1_103_515_245) + 12_345) & 0x7fffffff) / 0x80000000;

function keyOf(n: number, bytes?: Uint8Array): KeyState {
  const name = `key-${n}`;
  return new KeyState(name, [new Cell(PLANNED, name, bytes)], undefined);
}

function write(cache: KeyCache, key: KeyState, value: unknown): void {
  const cell = key.cells[0]!;
  Object.assign(cell, { value, present: true, decoded: true, dirty: true });
  cell.encode();
  cell.seal();
  cache.weigh(key);
}

/** Bytes that are alive for the keys' sake, and bytes of the keys. */
function kept(keys: Iterable<KeyState>): { readonly alive: number; readonly live: number } {
  const buffers = new Set<ArrayBufferLike>();
  let live = 0;
  for (const { cells } of keys) {
    for (const { bytes } of cells) {
      if (bytes === undefined) continue;
      buffers.add(bytes.buffer);
      live += bytes.length;
    }
  }
  return { alive: [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0), live };
}

describe("keys in memory keep alive at most four times their bytes", () => {
  test.each([
    ["evenly", 1],
    ["some a thousand times as often as others", 6],
  ])("when they are written at random, %s", (_, skew) => {
    const cache = new KeyCache(1 << 30, true);
    const keys = Array.from({ length: KEYS }, (_, n) => keyOf(n));
    for (const key of keys) cache.add(key);
    keys.forEach((key, n) => write(cache, key, { n, text: "x".repeat(20) }));
    for (let n = 0; n < 20 * KEYS; n++) write(cache, keys[Math.floor(draw() ** skew * KEYS)]!, { n, text: "x".repeat(20 + (n % 20)) });
    const { alive, live } = kept(keys);
    expect(alive).toBeLessThan(4 * live + PAGE);
    expect(keys.every(({ cells: [cell] }) => (cell!.open(), (cell!.value as { text: string }).text.startsWith("x")))).toBe(true);
  });

  test("when they are read, in replies of which the rest is let go", () => {
    const cache = new KeyCache(1 << 30, false);
    for (let n = 0; n < KEYS; n++) cache.add(keyOf(n, Buffer.alloc(65_536, n).subarray(100 * (n % 600), 100 * (n % 600) + 40)));
    const { alive, live } = kept(cache.values());
    expect(alive).toBeLessThan(4 * live + PAGE);
    expect([...cache.values()].every(({ cells: [cell] }, n) => cell!.bytes!.every((byte) => byte === n % 256))).toBe(true);
  });

  test("however large they are", () => {
    const cache = new KeyCache(1 << 30, false);
    for (const length of [1, 4_095, 4_096, 4_097, 8_192, 100_000]) cache.add(keyOf(length, Buffer.alloc(300_000, 7).subarray(5, 5 + length)));
    const { alive, live } = kept(cache.values());
    expect(alive).toBeLessThan(4 * live + PAGE);
    expect([...cache.values()].map(({ cells: [cell] }) => cell!.bytes!.length)).toEqual([1, 4_095, 4_096, 4_097, 8_192, 100_000]);
  });
});
