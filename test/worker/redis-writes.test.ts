/** A whole pipeline on Redis, with all that a worker does in its life: nothing but the scripts writes. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  Computation,
  type Context,
  fromIterable,
  input,
  output,
  Pipeline,
  RedisStore,
  run,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
  toFile,
} from "../../src/index.ts";
import { startHarness, type Harness } from "../store/redis/harness.ts";
import { watchWrites } from "../store/redis/writes.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.dispose());
const fresh = temporaryDirectory();

const RECORDS = 3_000;
const FIRST_RUN = 1_000;
const numbers = stream<number>("numbers");
const counts = stream<string>("counts");

/** Every thing that a handler can do: state kept and deleted, both clocks, holds, productions, failures. */
class Busy extends Computation {
  readonly numbers = input(numbers, { key: (number) => `k${number % 13}` });
  readonly counts = output(counts);
  readonly count = state("count", { initial: 0 });
  readonly passing = state("passing", { initial: 0, ttl: 1 });
  readonly event = timers<string>("event");
  readonly wall = timers<string>("wall", { clock: "wall" });

  override processRecord(record: StreamRecord<number>, context: Context): void {
    if (record.value % 500 === 7) throw new Error("never");
    context.state(this.count).update((count) => count + 1);
    context.state(this.passing).set(record.value);
    if (record.value % 3 === 0) context.state(this.passing).delete();
    context.setTimer(this.event.for("ten later"), record.timestamp + 10);
    if (record.value % 7 === 0) context.setTimer(this.wall.for("soon"), Date.now() + 5);
    if (record.value % 11 === 0) context.deleteTimer(this.event.for("ten later"));
    context.hold(record.timestamp);
    if (record.value % 2 === 0) context.hold(undefined);
  }
  override processTimer(timer: Timer<string>, context: Context): void {
    context.hold(undefined);
    if (timer.tag !== "soon") context.produce(this.counts, `${context.key} ${context.state(this.count).get()}`);
  }
}

test("of all that a worker, stopped and started again, has done to a server", async () => {
  const watch = await watchWrites(harness.admin);
  const path = fresh("counts.ndjson");
  for (const until of [FIRST_RUN, RECORDS]) {
    let given = 0;
    const pipeline = new Pipeline("busy", { shards: 3 })
      .inject(
        "numbers",
        numbers,
        fromIterable<number, number>(
          async function* (position) {
            for (let next = (position ?? -1) + 1; next < until; next++) {
              yield { value: next, position: next, timestamp: next };
              given = next + 1;
            }
            // The first run is stopped before it has an end.
            if (until < RECORDS) await new Promise(() => {});
          },
          { id: String },
        ),
      )
      .compute("busy", Busy, { attempts: 2 })
      .sink("counts", counts, toFile(path));
    const running = await run(pipeline, { store: new RedisStore(harness.server.url), log: () => {} });
    if (until === RECORDS) await running.finished;
    else await expect.poll(() => given).toBe(until);
    await running.stop();
  }
  const { written, besides, writers } = await watch.end();
  expect(readFileSync(path, "utf8").split("\n").length).toBeGreaterThan(5);
  expect(written).toBeGreaterThan(100);
  expect(besides).toEqual([]);
  const expected = ["acquire", "announce", "commit", "depart", "init", "probe", "register", "release", "renew", "report"];
  expect(writers).toEqual(expected.map((name) => `${name}.lua`));
});
