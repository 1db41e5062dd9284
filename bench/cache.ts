/**
 * The cache of keys against its size: what part of records finds its key in memory, and what that does to the cost. What
 * the MillWheel paper shows in its section 8.3. A record is missed for where its key's state has to be read from the store; one read
 * serves all records that wait for it.
 */
import { counters, type Load } from "./counter-pipeline.ts";
import { benchmark, settingOf } from "./harness/benchmark.ts";
import { measuredRun } from "./harness/measured-run.ts";
import { inTurn, round } from "./harness/medians.ts";

/** Parts of what all keys need; the first is next to nothing. */
const PARTS = [0.01, 0.1, 0.25, 0.5, 1, 2];
/** Bytes of memory that a key of this benchmark is reckoned with. */
const KEY_BYTES = 450;

export const cache = benchmark({
  name: "cache",
  about: "hits and misses of the cache of keys, and the cost of a record, against its size",
  numbers: { records: 400_000, keys: 100_000, shards: 64, part: 0 },
  texts: { order: ["even", "zipf"] },
  tiny: { store: "memory", records: 2_000, keys: 500, shards: 4, part: 0.01 },
  run: async (given) => {
    const parts = given.part === 0 ? PARTS : [given.part];
    return inTurn(given.runs, parts, async (part) => {
      const cacheBytes = Math.max(1, Math.round(part * given.keys * KEY_BYTES));
      const load: Load = { records: given.records, keys: given.keys, hops: 1, shards: given.shards, order: given.order };
      const run = await measuredRun(counters, load, { ...settingOf(given), cacheBytes });
      return {
        bench: "cache",
        store: given.store,
        order: given.order,
        keys: given.keys,
        records: given.records,
        cacheMiB: round(cacheBytes / 2 ** 20, 1),
        // Of all keys, by what one is reckoned with.
        cachePart: part,
        // A miss reads one field: which keys hold the watermark is whole in memory here.
        keysRead: run.stateReads,
        hitShare: round(1 - run.stateReads / given.records, 3),
        ...run.figures,
      };
    });
  },
});
