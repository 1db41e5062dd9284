/** What the fold takes for right, and what not, of runs that are written down here. */
import { expect, test } from "vitest";
import { findings } from "../../sim/oracle/fold.ts";
import type { Found, FoundLetter } from "../../sim/oracle/fold-input.ts";
import { FUEL, type Entry, type Program, type Script } from "../../sim/workload/program.ts";
import { shapes } from "../../sim/workload/shapes.ts";

const END = Number.MAX_SAFE_INTEGER;
const NOW = 1_000_000;
/** Later than any wall time here, so that it is no reason for a timer to be dropped that all records are before it. */
const LATE_RECORD = 5_000_000;

/** Key k of A has one record, which sets a wall timer; where that fires, at the end of time, it sets another one. One of them is still set when all is done. */
function leftOver(output: "none" | undefined, { timestamp = LATE_RECORD, fires = true } = {}): string[] {
  const set = (tag: number): Program => [{ do: "set", timer: "wait", tag, from: "call", after: 20, output }];
  const script: Script = { records: [set(0)], timers: [set(1), []], flush: [], filter: undefined };
  const firing: Entry = [`wait:0:${NOW + 20}`, END, NOW + 20, false, END, NOW + 20];
  const log: Entry[] = [["i/0/1", -1, NOW, false, NOW], ...(fires ? [firing] : [])];
  const item = { id: "i/0/1", key: "k", other: "k", program: 0 };
  const none = { processed: 0, late: 0, produced: 0, duplicates: 0, deadLetters: 0, timersFired: 0 };
  const found: Found = {
    logs: new Map([["A", new Map([["k", log]])]]),
    sums: new Map([["A", new Map([["k", { total: 0, fuel: fires ? FUEL - 1 : FUEL, hold: -1 }]])]]),
    sinks: new Map([["s", []]]),
    dead: new Map<string, FoundLetter[]>(),
    revived: new Map<string, FoundLetter[]>(),
    operated: new Map(),
    performed: new Map(),
    results: new Map(),
    barriers: [],
    tailLost: false,
    counted: new Map([
      ["i", { ...none, processed: 1, produced: 1 }],
      ["A", { ...none, processed: 1, timersFired: fires ? 1 : 0 }],
      ["s", none],
    ]),
  };
  const items = [{ item, refused: false, timestamp, promisedBefore: -1 }];
  const injectors = new Map([["i", { ids: false, retention: 1_000_000, idles: false, partitions: [items] }]]);
  const [shape] = shapes;
  if (shape === undefined) throw new RangeError("there is no shape");
  return findings({ shape, scripts: new Map([["A", script]]), attempts: 3, percentile: false, injectors }, found);
}

test("a timer that holds nothing may be left over at the end of time: nothing waits for it", () => {
  expect(leftOver("none")).toEqual([]);
});

test("one that holds the watermark may not", () => {
  expect(leftOver(undefined)).toEqual([expect.stringMatching(/timer wait:1 .* was dropped, though not after the last record/)]);
});

test("nor may what an earlier record has set, which holds the watermark until it fires", () => {
  expect(leftOver(undefined, { fires: false })).toEqual([expect.stringMatching(/timer wait:0 .* never fired/)]);
});

test("what a record sets that comes at the end of time holds nothing: it may be left over", () => {
  expect(leftOver(undefined, { timestamp: END, fires: false })).toEqual([]);
});
