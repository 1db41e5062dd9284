/** The worker of Millrace for queries of Nexmark: events out of a Redis stream, rows of the answer into another. */
import { boundedDisorder, Pipeline, RedisStore } from "../../../src/index.ts";
import { fromRedisStream, toRedisStream } from "../../../src/redis-streams/index.ts";
import { run } from "../../../src/run.ts";
import { BEHIND, type Event, type Part, partOf } from "../../nexmark/events.ts";
import { type Answer, answers, parts, queried } from "../../nexmark/queries.ts";
import type { QueryName } from "../peer.ts";

const [connection = "", query = "", batch = "256", shards = "64"] = process.argv.slice(2);
const source = fromRedisStream<Part>("events", {
  connection,
  value: ({ event = "" }) => partOf(JSON.parse(event) as Event),
  timestamp: ({ at }) => at,
  watermark: boundedDisorder(BEHIND),
});
const pipeline = queried(new Pipeline("nexmark", { shards: Number(shards) }).inject("events", parts, source), query as QueryName).sink(
  "answers",
  answers,
  toRedisStream<Answer>("answers", { fields: ({ value: { row } }) => ({ row: row.join() }) }),
);
const running = await run(pipeline, { store: new RedisStore(connection), batchRecords: Number(batch) });
process.once("SIGTERM", () => void running.stop().then(() => process.exit(0)));
