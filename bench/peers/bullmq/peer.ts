/** BullMQ: a job a record, counted once by an idempotent script, on a Redis of its own. */
import { Queue } from "bullmq";
import { keyOf } from "../peer.ts";
import { program } from "../cache.ts";
import { checkCounts, latencyOf, openLoop, throughputOf, valueOf } from "../measuring.ts";
import type { Peer, Setting } from "../peer.ts";
import { Processes } from "../processes.ts";
import { openRedisEnds, type RedisEnds } from "../redis-ends.ts";

const PAGE = 1_000;

export const bullmq: Peer = {
  name: "bullmq",
  guarantee: "jobs at least once, the effect once by an idempotent script; Redis AOF everysec",
  settings: [
    { label: "1 worker, concurrency 50", workers: 1, concurrency: 50 },
    { label: "1 worker, concurrency 200", workers: 1, concurrency: 200 },
    { label: "2 workers, concurrency 100 each", workers: 2, concurrency: 100 },
  ],
  part: 1 / 20,
  prepare: () => Promise.resolve(),

  async throughput(setting, { records, keys }) {
    const processes = new Processes();
    await using ends = await openRedisEnds(processes);
    const queue = openQueue(ends);
    try {
      for (let n = 0; n < records; ) {
        const jobs = [];
        for (const end = Math.min(n + PAGE, records); n < end; n++) jobs.push(jobOf(keyOf(n, keys), 0));
        await queue.addBulk(jobs);
      }
      startWorkers(processes, ends, setting);
      const result = await throughputOf(processes, records, ends.done);
      checkCounts(await ends.totals(), records, keys);
      return result;
    } finally {
      await processes.stop();
      await queue.close();
    }
  },

  async latency(setting, load) {
    const processes = new Processes();
    await using ends = await openRedisEnds(processes);
    const queue = openQueue(ends);
    try {
      startWorkers(processes, ends, setting);
      await queue.addBulk([jobOf("first", 0)]);
      await ends.first();
      const seen = ends.latencies(load.rate * (load.warmUp + load.seconds));
      await openLoop(load, (records) => void queue.addBulk(records.map(({ key, due }) => jobOf(key, due))));
      return latencyOf(await seen, load);
    } finally {
      await processes.stop();
      await queue.close();
    }
  },
};

const jobOf = (key: string, due: number) => ({ name: "hit", data: { key, value: valueOf(due) }, opts: { removeOnComplete: true } });

const openQueue = ({ server }: RedisEnds): Queue => new Queue("hits", { connection: { path: server.socket } });

function startWorkers(processes: Processes, { server }: RedisEnds, { workers = 1, concurrency = 100 }: Setting): void {
  for (let n = 0; n < Number(workers); n++) processes.start("bullmq", true, process.execPath, [program("bullmq/worker"), server.socket, String(concurrency)]);
}
