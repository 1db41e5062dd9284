/** Millrace beside its peers: a Redis stream in, a Redis stream out, one worker, all on one Redis. */
import { keyOf } from "../peer.ts";
import { program } from "../cache.ts";
import { checkCounts, latencyOf, openLoop, throughputOf, valueOf } from "../measuring.ts";
import type { Peer, Setting } from "../peer.ts";
import { Processes } from "../processes.ts";
import { millraceQueries } from "./queries.ts";
import { openRedisEnds, type RedisEnds } from "../redis-ends.ts";

const RECORDS = "records";
const PAGE = 1_000;

export const millrace: Peer = {
  name: "millrace",
  guarantee: "exactly once, each commit visible at once; Redis AOF everysec",
  settings: [
    { label: "64 shards, batch 256 (defaults)", shards: 64, batch: 256 },
    { label: "16 shards, batch 1024", shards: 16, batch: 1024 },
    { label: "2 workers, 64 shards, batch 256", shards: 64, batch: 256, workers: 2 },
    { label: "2 workers, 16 shards, batch 1024", shards: 16, batch: 1024, workers: 2 },
  ],
  part: 1,
  prepare: () => Promise.resolve(),
  queries: millraceQueries,

  async throughput(setting, { records, keys }) {
    const processes = new Processes();
    await using ends = await openRedisEnds(processes);
    try {
      for (let n = 0; n < records; ) {
        const filling = ends.client.pipeline();
        for (const end = Math.min(n + PAGE, records); n < end; n++) filling.xadd(RECORDS, "*", "key", keyOf(n, keys), "value", valueOf(0));
        await filling.exec();
      }
      startWorkers(processes, ends, setting);
      const result = await throughputOf(processes, records, ends.done);
      checkCounts(await ends.totals(), records, keys);
      return result;
    } finally {
      await processes.stop();
    }
  },

  async latency(setting, load) {
    const processes = new Processes();
    await using ends = await openRedisEnds(processes);
    try {
      startWorkers(processes, ends, setting);
      await ends.client.xadd(RECORDS, "*", "key", "first", "value", valueOf(0));
      await ends.first();
      const seen = ends.latencies(load.rate * (load.warmUp + load.seconds));
      await openLoop(load, (records) => {
        const adding = ends.client.pipeline();
        for (const { key, due } of records) adding.xadd(RECORDS, "*", "key", key, "value", valueOf(due));
        void adding.exec();
      });
      return latencyOf(await seen, load);
    } finally {
      await processes.stop();
    }
  },
};

function startWorkers(processes: Processes, { server }: RedisEnds, { batch = 256, shards = 64, workers = 1 }: Setting): void {
  for (let n = 0; n < Number(workers); n++)
    processes.start(`millrace ${n}`, true, process.execPath, [program("millrace/worker"), server.socket, String(batch), String(shards)]);
}
