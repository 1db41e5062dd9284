/** The worker of Millrace among its peers: entries of a Redis stream, counted by key, each new count into another stream. */
import { Computation, type Context, input, output, Pipeline, RedisStore, state, stream, type StreamRecord } from "../../../src/index.ts";
import { fromRedisStream, toRedisStream } from "../../../src/redis-streams/index.ts";
import { run } from "../../../src/run.ts";

interface Hit {
  readonly key: string;
  readonly value: string;
}
interface Count extends Hit {
  readonly count: number;
}

const [connection = "", batch = "256", shards = "64"] = process.argv.slice(2);
const hits = stream<Hit>("hits");
const counts = stream<Count>("counts");

class Counter extends Computation {
  readonly hits = input(hits, { key: (hit) => hit.key });
  readonly counts = output(counts);
  readonly count = state("count", { initial: 0 });

  override processRecord({ value: { key, value } }: StreamRecord<Hit>, context: Context): void {
    const count = context.state(this.count);
    count.set(count.get() + 1);
    context.produce(this.counts, { key, value, count: count.get() });
  }
}

const pipeline = new Pipeline("peers", { shards: Number(shards) })
  .inject("hits", hits, fromRedisStream<Hit>("records", { connection, value: ({ key = "", value = "" }) => ({ key, value }) }))
  .compute("counter", () => new Counter())
  .sink("results", counts, toRedisStream<Count>("results", { fields: ({ value }) => ({ ...value }) }));
const running = await run(pipeline, { store: new RedisStore(connection), batchRecords: Number(batch) });
process.once("SIGTERM", () => void running.stop().then(() => process.exit(0)));
