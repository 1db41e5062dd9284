/** What the order of a shard's timers costs: ns a timer that is set and taken, of one time, of a few, and each of its own. */
import { TimeIndex } from "../src/time-index.ts";
import { benchmark } from "./harness/benchmark.ts";

const ROUNDS = 5;
const END = 1_700_000_010_000;

export const timeIndex = benchmark({
  name: "time-index",
  about: "what the order of the timers in a shard costs, in memory",
  numbers: { timers: 2_000, rounds: 200 },
  tiny: { timers: 100, rounds: 1 },
  run: ({ timers, rounds }) => Promise.resolve(timeIndexBench(timers, rounds)),
});

function timeIndexBench(timers: number, rounds: number): object {
  const ns = (times: number): number => cost(timers, rounds, times);
  return { benchmark: "time-index", timers, oneTimeNs: ns(1), fiveTimesNs: ns(5), eachItsOwnNs: ns(timers) };
}

/** The least of a few rounds. */
function cost(timers: number, rounds: number, times: number): number {
  const set = Array.from({ length: timers }, (_, i) => ({ member: `7:closing:${(i * 48_271) % timers}`, time: END + ((i * 7_919) % times) }));
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) least = Math.min(least, setAndTaken(set, rounds));
  return Math.round((least * 1e6) / (timers * rounds));
}

function setAndTaken(set: readonly { readonly member: string; readonly time: number }[], rounds: number): number {
  const index = new TimeIndex();
  let taken = 0;
  const start = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (const { member, time } of set) index.set(member, time);
    for (let first = index.first(); first !== undefined; first = index.first()) {
      index.delete(first.member);
      taken++;
    }
  }
  const took = performance.now() - start;
  if (taken !== set.length * rounds) throw new RangeError(`${taken} of ${set.length * rounds} timers were taken`);
  return took;
}
