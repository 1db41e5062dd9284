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
    { label: "4 shards, batch 1024", shards: 4, batch: 1024 },
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
      startWorker(processes, ends, setting);
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
      startWorker(processes, ends, setting);
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

function startWorker(processes: Processes, { server }: RedisEnds, { batch = 256, shards = 64 }: Setting): void {
  processes.start("millrace", true, process.execPath, [program("millrace/worker"), server.socket, String(batch), String(shards)]);
}
