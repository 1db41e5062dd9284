/** A Redis that fails over to a replica without the last commits: one worker lives through it and says what is lost. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { Computation, type Context, fromHttp, input, output, Pipeline, RedisStore, run, type RunningPipeline, state, stream, toFile } from "../../src/index.ts";
import type { StreamRecord } from "../../src/index.ts";
import { endpoint } from "../../src/inspect/index.ts";
import { workerOf } from "../../src/run.ts";
import { counting, differences, Numbers } from "../support/counting.ts";
import { RedisPair } from "../support/redis-pair.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const fresh = temporaryDirectory();
const POLL = { interval: 3, timeout: 30_000 };
/** ms for a whole test on a busy machine. */
const LIMIT = 180_000;
const opened: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.stop();
});

interface Line {
  readonly level: string;
  readonly text: string;
  readonly fields: any;
}

async function pairIn(directory: string): Promise<RedisPair> {
  mkdirSync(directory);
  const pair = await RedisPair.start(directory);
  opened.push(pair);
  return pair;
}

async function started(
  pipeline: Pipeline,
  pair: RedisPair,
  log: Line[],
  options: { readonly http?: { readonly port: number } } = {},
): Promise<RunningPipeline> {
  const running = await run(pipeline, {
    store: new RedisStore(pair.path),
    batchRecords: 32,
    log: (level, text, fields) => void log.push({ level, text, fields }),
    ...options,
  });
  opened.push(running);
  return running;
}

const tailsOf = (running: RunningPipeline) => workerOf(running).engine.lostTails;

test(
  "eight failovers that lose commits: each is detected and told exactly, and the files end as if there had been none",
  async () => {
    const directory = fresh("failovers");
    const pair = await pairIn(directory);
    const numbers = new Numbers();
    const log: Line[] = [];
    const running = await started(counting(numbers, directory), pair, log);
    const { engine } = workerOf(running);
    for (let n = 1; n <= 8; n++) {
      await expect.poll(() => engine.shards.size, POLL).toBeGreaterThan(0);
      const before = engine.counted.commits;
      await expect.poll(() => engine.counted.commits, POLL).toBeGreaterThan(before + 20);
      await pair.cut();
      const given = numbers.next;
      const cut = engine.counted.commits;
      await expect.poll(() => engine.counted.commits, POLL).toBeGreaterThan(cut + 20);
      await expect.poll(() => numbers.next, POLL).toBeGreaterThan(given + 100);
      await pair.failOver();
      await expect.poll(() => tailsOf(running).counted.tails, POLL).toBe(n);
      const loss = tailsOf(running).found.at(-1);
      expect(loss?.shards.every(({ exact, from, to }) => exact && from <= to)).toBe(true);
      const injected = loss?.shards.find(({ participant }) => participant === "numbers");
      // It is read again from the stored checkpoint: all that was lost, and what had not been acknowledged.
      await expect.poll(() => numbers.opened.length, POLL).toBe(n + 1);
      expect(injected?.records).toBeGreaterThan(0);
    }
    numbers.finish();
    await running.finished;
    expect(differences(directory, numbers.end)).toEqual([]);
    expect(log.filter(({ text }) => text.startsWith("the store has lost its last"))).toHaveLength(8);
  },
  LIMIT,
);

test(
  "a failover to a replica that has all is noticed, and no loss is told of",
  async () => {
    const directory = fresh("no-loss");
    const pair = await pairIn(directory);
    const numbers = new Numbers();
    const log: Line[] = [];
    const running = await started(counting(numbers, directory), pair, log);
    await expect.poll(() => numbers.next, POLL).toBeGreaterThan(400);
    // No write is under way when the primary dies: the replica has all that was acknowledged.
    await pair.admin.client("PAUSE", "60000", "WRITE");
    await pair.level();
    await pair.failOver();
    await expect.poll(() => log.some(({ text }) => text.includes("has all that this worker knew")), POLL).toBe(true);
    numbers.finish();
    await running.finished;
    expect(tailsOf(running).counted.tails).toBe(0);
    expect(differences(directory, numbers.end)).toEqual([]);
  },
  LIMIT,
);

interface Order {
  readonly id: string;
}
const orders = stream<Order>("orders");
const counted = stream<{ readonly id: string; readonly n: number }>("counted");
class Tally extends Computation {
  readonly orders = input(orders, { key: () => "all" });
  readonly counted = output(counted);
  readonly n = state("n", { initial: 0 });
  override processRecord(record: StreamRecord<Order>, context: Context): void {
    const n = context.state(this.n).get() + 1;
    context.state(this.n).set(n);
    context.produce(this.counted, { id: record.value.id, n });
  }
}

test(
  "records that were confirmed over HTTP and are lost are listed by id, logged, counted, and taken again when they are sent again",
  async () => {
    const directory = fresh("http");
    const pair = await pairIn(directory);
    const log: Line[] = [];
    const pipeline = new Pipeline("tallying", { shards: 2 })
      .inject("http-orders", orders, fromHttp<Order>({ id: ({ id }) => id }))
      .compute("tally", Tally)
      .sink("counted-file", counted, toFile(join(directory, "counted.ndjson")));
    const running = await started(pipeline, pair, log, { http: { port: 0 } });
    const asked = endpoint(running.url as string);
    await expect.poll(async () => (await asked.streams()).streams.every(({ open }) => open), POLL).toBe(true);
    const post = async (ids: readonly string[]): Promise<{ readonly status: number; readonly duplicates: number }> => {
      const body = ids.map((id) => `${JSON.stringify({ id })}\n`).join("");
      const answer = await fetch(`${running.url}/v1/streams/orders/records`, {
        method: "POST",
        headers: { "content-type": "application/x-ndjson", "x-millrace": "1" },
        body,
      });
      return { status: answer.status, duplicates: ((await answer.json()) as { duplicates: number }).duplicates };
    };
    const ids = (from: number): string[] => Array.from({ length: 40 }, (_, i) => `order-${from + i}`);
    expect((await post(ids(0))).status).toBe(200);
    await pair.failOver();
    await expect.poll(async () => (await post(ids(40))).status, POLL).toBe(200);
    await pair.replicated();

    await pair.cut();
    expect((await post(ids(80))).status).toBe(200);
    expect((await post(ids(120))).status).toBe(200);
    await pair.failOver();
    await expect.poll(() => tailsOf(running).counted.tails, POLL).toBe(1);
    const lost = [...ids(80), ...ids(120)];
    const { counted: sums, tails } = await asked.lostTails();
    expect(tails[0]?.confirmed).toEqual([{ participant: "http-orders", ids: lost, others: 0 }]);
    expect(sums.confirmed).toBe(80);
    expect(log.filter(({ text }) => text.startsWith("lost after they were confirmed")).flatMap(({ fields }) => fields.ids)).toEqual(lost);
    const metrics = await (await fetch(`${running.url}/metrics`)).text();
    expect(metrics).toMatch(/^millrace_lost_confirmed_records_total 80$/m);
    expect(metrics).toMatch(/^millrace_lost_records_total\{participant="http-orders",kind="injector"\} 80$/m);

    // Whoever is told sends them again: those that are there are known, those that are gone are taken.
    await expect.poll(async () => (await asked.streams()).streams.every(({ open }) => open), POLL).toBe(true);
    expect(await post([...ids(40), ...lost])).toEqual({ status: 200, duplicates: 40 });
  },
  LIMIT,
);
