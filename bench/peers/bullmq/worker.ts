/**
 * The worker of BullMQ: a job a record. A job may run twice, so its effect is one script that does nothing the second
 * time: it marks the job as done, counts, and appends the new count to the stream of results.
 */
import { Worker } from "bullmq";
import { Redis } from "ioredis";
import { RESULTS } from "../redis-ends.ts";

const COUNT = `
if redis.call("HSETNX", KEYS[1], ARGV[1], 1) == 0 then return 0 end
local count = redis.call("HINCRBY", KEYS[2], ARGV[2], 1)
redis.call("XADD", KEYS[3], "*", "key", ARGV[2], "count", count, "value", ARGV[3])
return count`;

const [path = "", concurrency = "100"] = process.argv.slice(2);
const connection = new Redis(path, { maxRetriesPerRequest: null, enableAutoPipelining: true });
connection.defineCommand("count", { numberOfKeys: 3, lua: COUNT });
const scripted = connection as Redis & { count(...given: string[]): Promise<number> };

const worker = new Worker<{ key: string; value: string }>(
  "hits",
  async ({ id = "", data: { key, value } }) => void (await scripted.count("done", "counts", RESULTS, id, key, value)),
  {
    connection: { path, maxRetriesPerRequest: null },
    concurrency: Number(concurrency),
    removeOnComplete: { count: 0 },
  },
);
process.once("SIGTERM", () => void worker.close().then(() => process.exit(0)));
