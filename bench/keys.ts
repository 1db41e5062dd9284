/**
 * The same number of records over ever more keys: does a record cost more, and what does a key cost in the store? State is
 * in memory as far as `cacheBytes` go; with many keys most of them are read from the store when they are needed.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { counters, type Load } from "./counter-pipeline.ts";
import { benchmark, settingOf } from "./harness/benchmark.ts";
import { measuredRun } from "./harness/measured-run.ts";
import { inTurn, round } from "./harness/medians.ts";
import type { BenchStore } from "./stores.ts";

const SIZES = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];

export const keys = benchmark({
  name: "keys",
  about: "the same records over 1,000 to --most keys: time a record, bytes a key",
  numbers: { records: 1_000_000, least: 1_000, most: 1_000_000, shards: 64 },
  tiny: { store: "memory", records: 1_000, least: 1_000, most: 1_000, shards: 4 },
  run: async (given) => {
    const sizes = SIZES.filter((each) => each >= given.least && each <= given.most);
    return inTurn(given.runs, sizes, async (size) => {
      const load: Load = { records: Math.max(given.records, size), keys: size, hops: 1, shards: given.shards };
      const run = await measuredRun(counters, load, { ...settingOf(given), after: storedBytes });
      const stored = run.extra["storedBytes"] ?? null;
      return {
        bench: "keys",
        store: given.store,
        fsync: given.fsync,
        keys: size,
        records: load.records,
        shards: given.shards,
        storedMiB: stored === null ? null : round(stored / 2 ** 20, 1),
        bytesPerKey: stored === null ? null : Math.round(stored / size),
        stateReads: run.stateReads,
        ...run.figures,
      };
    });
  },
});

/** Of Redis its data set, without what an empty server takes; of LMDB its file, which has free pages in it as well. */
async function storedBytes({ address, server }: BenchStore): Promise<Record<string, number | null>> {
  if (address.kind === "lmdb") return { storedBytes: statSync(join(address.directory, "counters", "data.mdb")).size };
  if (server === undefined) return { storedBytes: null };
  const client = new Redis(server.socket);
  const info = await client.info("memory");
  client.disconnect();
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
  return { storedBytes: field("used_memory_dataset") };
}
