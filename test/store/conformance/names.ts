/** Names of state and timers, looked for by what they begin with. */
import { expect } from "vitest";
import { InvariantError } from "../../../src/errors.ts";
import { shardRef } from "../../../src/key.ts";
import { expiryPrefix, stateField, statePrefixes, timerMember, timerPrefix } from "../../../src/store/address.ts";
import type { TimerClock, TimerSet } from "../../../src/store/commit.ts";
import type { NamedKind } from "../../../src/store/store.ts";
import type { Bench, Define } from "./bench.ts";
import { STRANGE_KEYS } from "./state.ts";
import { bytes, counter } from "./values.ts";

export function names(define: Define): void {
  /** All pages of names that begin with one of these. */
  const named = async (bench: Bench, kind: NamedKind, prefixes: readonly string[], limit: number): Promise<string[]> => {
    const found = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await bench.store.readNames(counter, kind, prefixes, cursor, limit);
      for (const name of page.entries) found.add(name);
      cursor = page.next;
    } while (cursor !== undefined);
    return [...found].sort();
  };

  define("names are read by what they begin with, of each kind alone, whatever else is in them", async (bench) => {
    const owner = await bench.acquire(counter);
    const of = (cell: number) => STRANGE_KEYS.flatMap((key) => [stateField(cell, key), stateField(cell, key, "part")]);
    const timersOf = (id: number, clock: TimerClock): TimerSet[] =>
      STRANGE_KEYS.map((key, n) => ({ clock, member: timerMember(id, n % 2 === 0 ? n : undefined, key), time: 5 }));
    const fields = [...of(1), ...of(2), ...of(36), ...of(37)];
    await owner.commit({
      stateFields: fields,
      stateValues: fields.map(() => bytes("x")),
      timerSets: [...timersOf(1, "watermark"), ...timersOf(36, "watermark"), ...timersOf(1, "wall"), ...timersOf(0, "wall")],
    });
    for (const limit of [1, 3, 1_000]) {
      expect(await named(bench, "state", statePrefixes(1), limit)).toEqual(of(1).sort());
      expect(await named(bench, "state", [...statePrefixes(37), ...statePrefixes(2)], limit)).toEqual([...of(2), ...of(37)].sort());
      expect(await named(bench, "watermark", [timerPrefix(36)], limit)).toEqual(
        timersOf(36, "watermark")
          .map(({ member }) => member)
          .sort(),
      );
      expect(await named(bench, "wall", [timerPrefix(1)], limit)).toEqual(
        timersOf(1, "wall")
          .map(({ member }) => member)
          .sort(),
      );
      expect(await named(bench, "wall", [timerPrefix(36)], limit)).toEqual([]);
    }
    await expect(bench.store.readNames(shardRef(99, 0), "state", statePrefixes(1), undefined, 10)).rejects.toThrow(InvariantError);
  });

  define("timers by which a cell expires are told from those of other cells, whose ids begin with the same digits", async (bench) => {
    const owner = await bench.acquire(counter);
    const expiry = (cell: number) => timerMember(0, cell, "1k");
    await owner.commit({ timerSets: [1, 11, 111].map((cell) => ({ clock: "wall", member: expiry(cell), time: 5 })) });
    for (const cell of [1, 11, 111]) expect(await named(bench, "wall", [expiryPrefix(cell)], 10)).toEqual([expiry(cell)]);
  });

  define("pages are followed to the end while what they name is deleted and other entries come and go", async (bench) => {
    const owner = await bench.acquire(counter);
    const wanted = Array.from({ length: 1_200 }, (_, n) => stateField(1, `k${n}`));
    await owner.commit({ stateFields: wanted, stateValues: wanted.map(() => bytes("x")) });
    const seen = new Set<string>();
    let cursor: string | undefined;
    let n = 0;
    do {
      const page = await bench.store.readNames(counter, "state", statePrefixes(1), cursor, 100);
      const gone = [...new Set(page.entries)];
      for (const name of gone) seen.add(name);
      const others = [stateField(2, `o${n}`), stateField(2, `o${n - 2}`)];
      await owner.commit({ stateFields: [...gone, ...others], stateValues: [...gone.map(() => undefined), bytes("y"), undefined] });
      n++;
      cursor = page.next;
    } while (cursor !== undefined);
    expect(seen.size).toBe(wanted.length);
    expect(await named(bench, "state", statePrefixes(1), 1_000)).toEqual([]);
    expect((await bench.recover(counter)).stateCount).toBe(2);
  });
}
