/** What it costs to know the hot keys: ns a record, for keys that are seldom seen twice, for a mix, and for one alone. */
import { HotKeys } from "../src/worker/hot-keys.ts";
import { benchmark } from "./harness/benchmark.ts";

const ROUNDS = 5;

export const hotKeys = benchmark({
  name: "hot-keys",
  about: "what it costs to know the hot keys",
  numbers: { records: 10_000_000 },
  tiny: { records: 1_000 },
  run: ({ records }) => Promise.resolve(hotKeysBench(records)),
});

function hotKeysBench(records: number): object {
  const keys = Array.from({ length: 1 << 17 }, (_, i) => `key-${(i * 2_654_435_761) % 100_003}`);
  const mixed = keys.map((key, i) => (i % 10 < 9 ? "hot" : key));
  const one = keys.map(() => "hot");
  return { benchmark: "hot-keys", records, uniformNs: cost(keys, records), hotNs: cost(mixed, records), oneNs: cost(one, records) };
}

/** The least of a few rounds, less what the loop alone takes. */
function cost(keys: readonly string[], records: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) least = Math.min(least, seeing(new HotKeys(), keys, records) - seeing(undefined, keys, records));
  return Math.round((least * 1e7) / records) / 10;
}

function seeing(hot: HotKeys | undefined, keys: readonly string[], records: number): number {
  let length = 0;
  const start = performance.now();
  for (let i = 0; i < records; i++) {
    const key = keys[i & (keys.length - 1)] as string;
    length += key.length;
    hot?.saw(key);
  }
  const took = performance.now() - start;
  if (length === 0) throw new RangeError("there were no keys");
  return took;
}
