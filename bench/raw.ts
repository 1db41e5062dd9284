/** The bare client by itself, and beside the runs of others: on their Redis, over their way to it, as a process of its own. */
import { type Common, benchmark } from "./harness/benchmark.ts";
import { Child } from "./harness/child.ts";
import { inTurn, round } from "./harness/medians.ts";
import { RAW_CHUNK, RAW_DEPTH, type RawFigures, type RawLoad, rawRedis } from "./raw-redis.ts";
import { redisCpuSeconds } from "./redis-cpu.ts";
import { type BenchStore, openStore } from "./stores.ts";

export const raw = benchmark({
  name: "raw",
  about: "the bytes of `throughput`, written by a bare, vectorised, pipelined client",
  numbers: { records: 1_000_000, keys: 100_000, shards: 64, depth: RAW_DEPTH, chunk: RAW_CHUNK },
  tiny: { records: 3_000, keys: 500, shards: 8 },
  run: async (given) => {
    const row = async () => {
      const used = await openStore({ store: "redis", fsync: given.fsync, rtt: given.rtt });
      try {
        const figures = await figuresOn(used, given, given.inProcess);
        return { bench: "raw", fsync: given.fsync, rttMs: round((await used.roundTrip()) ?? 0), records: given.records, ...figures };
      } finally {
        await used.dispose();
      }
    };
    return (await inTurn(given.runs, [given], row))[0] as object;
  },
});

/** For `RunSetting.after`. */
export const rawBeside =
  ({ inProcess }: Common, { records, keys, shards }: Pick<RawLoad, "records" | "keys" | "shards">) =>
  async (used: BenchStore): Promise<Record<string, number | null>> => {
    if (used.server === undefined) return {};
    const figures = await figuresOn(used, { records, keys, shards, depth: RAW_DEPTH, chunk: RAW_CHUNK }, inProcess);
    return {
      rawRecordsPerSecond: figures.recordsPerSecond,
      rawMicrosPerRecord: round(figures.nodeMicrosPerRecord + figures.redisMicrosPerRecord),
      roundTripMs: round((await used.roundTrip()) ?? 0),
    };
  };

interface Figures extends RawFigures {
  readonly redisMicrosPerRecord: number;
}

async function figuresOn(used: BenchStore, load: RawLoad, inProcess: boolean): Promise<Figures> {
  const before = await redisCpuSeconds(used.server);
  const figures = await measured(used, load, inProcess);
  return { ...figures, redisMicrosPerRecord: round((((await redisCpuSeconds(used.server)) - before) * 1e6) / load.records) };
}

async function measured({ address }: BenchStore, { records, keys, shards, depth, chunk }: RawLoad, inProcess: boolean): Promise<RawFigures> {
  if (address.kind !== "redis") throw new TypeError("the bare client is for Redis");
  const load: RawLoad = { records, keys, shards, depth, chunk };
  if (inProcess) return rawRedis(address.target, load);
  const child = new Child();
  await child.order({ kind: "raw", target: address.target, load });
  const told = await child.done;
  if (told?.kind !== "raw") throw new Error("the bare client told nothing");
  return told.figures;
}
