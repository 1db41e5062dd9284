/**
 * A process of its own for `test/redis-streams/killed.test.ts`: runs the tally pipeline until it is killed. Its arguments: the store
 * ("lmdb:<folder>" or the address of a Redis), the Redis of the streams, the stream that is written to
 * ("store:<key>": in the store itself), those that are read.
 */
import { LmdbStore, RedisStore, run } from "../../src/index.ts";
import { tallyPipeline } from "../redis-streams/tally.ts";

const [, , where = "", redis = "", to = "", ...from] = process.argv;
const store = where.startsWith("lmdb:") ? new LmdbStore(where.slice(5)) : new RedisStore(where);
const running = await run(tallyPipeline(redis, from, to), { store, batchRecords: 8, leaseMs: 200, log: () => {} });
process.stdout.write("running\n");
await running.finished;
