/** Effects performed by BullMQ 5 and 6 on a real Redis: what is called, under which key, and what comes of it. */
import { afterEach, describe, expect, test } from "vitest";
import { bullmq, type BullMqEffectsOptions, performEffects } from "../../src/bullmq/index.ts";
import {
  Computation,
  type Context,
  cbor,
  type EffectCall,
  type EffectOptions,
  type EffectResult,
  type Effects,
  type EffectRunner,
  exponential,
  fromIterable,
  input,
  MemoryStore,
  output,
  Pipeline,
  run,
  stream,
  type StreamRecord,
} from "../../src/index.ts";
import { startRedis } from "../support/redis-server.ts";
import { QUICK, redisForTests, VERSIONS } from "./versions.ts";

interface Order {
  readonly id: string;
  readonly total: number;
  readonly paid?: Date;
}
const orders = stream<Order>("orders", { codec: cbor() });
const mails = stream<Order>("mails", { codec: cbor() });
const sent = stream<EffectResult<Order, unknown>>("sent", { codec: cbor() });

/** Produces a mail an order; throws after it did where the total is negative. */
class Mailer extends Computation {
  readonly orders = input(orders, { key: (order) => order.id });
  readonly mails = output(mails);
  override processRecord(record: StreamRecord<Order>, context: Context): void {
    context.produce(this.mails, record.value);
    if (record.value.total < 0) throw new Error("not an order");
  }
}

const redis = redisForTests();
let used = 0;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Shop {
  readonly name: string;
  readonly pipeline: Pipeline;
  readonly results: EffectResult<Order, unknown>[];
}

type Perform = (record: StreamRecord<Order>, call: EffectCall) => unknown;

function shop(values: readonly Order[], perform: Perform, options: Omit<EffectOptions<Order, unknown>, "results"> = {}, withResults = true): Shop {
  const name = `shop${used++}`;
  const results: EffectResult<Order, unknown>[] = [];
  class Collect extends Computation {
    readonly sent = input(sent, { key: (result) => result.input.id });
    override processRecord(record: StreamRecord<EffectResult<Order, unknown>>): void {
      results.push(record.value);
    }
  }
  const source = fromIterable<Order>(() => values.map((value, i) => ({ value, position: i + 1, timestamp: 1_000 + i })));
  const base = new Pipeline(name, { shards: 4 }).inject("orders", orders, source).compute("mailer", Mailer, { attempts: 1 });
  const pipeline = withResults
    ? base.effect("mail", mails, perform, { ...options, results: sent }).compute("collect", Collect)
    : base.effect("mail", mails, perform, options);
  return { name, pipeline, results };
}

/** The runner that `run` opened, for what the HTTP door asks of it. */
function spied(effects: Effects): { readonly effects: Effects; runner(): EffectRunner } {
  let opened: EffectRunner | undefined;
  return {
    effects: { ...effects, open: async (context) => (opened = await effects.open(context)) },
    runner: () => {
      if (opened === undefined) throw new Error("no runner was opened");
      return opened;
    },
  };
}

const someOrders = (n: number): Order[] => Array.from({ length: n }, (_, i) => ({ id: `${i}`, total: i }));

describe.each(VERSIONS)("effects on %s", (_, module) => {
  const options = (more: Partial<BullMqEffectsOptions> = {}): BullMqEffectsOptions => ({ connection: redis.server.url, worker: QUICK, module, ...more });

  async function finish({ pipeline }: Shop, effects: Effects): Promise<void> {
    const running = await run(pipeline, { store: new MemoryStore(), effects, log: () => {} });
    closing.push(() => running.stop());
    await running.finished;
  }

  test("are performed once for each committed production, exact in value, with the key of the in-process runner", async () => {
    const seen: [StreamRecord<Order>, EffectCall][] = [];
    const paid = new Date(5);
    const made = shop([...someOrders(300), { id: "p", total: 1, paid }, { id: "no", total: -1 }], (record, call) => {
      seen.push([record, call]);
      return { at: new Date(7), id: record.value.id };
    });
    await finish(made, bullmq(options()));
    expect(seen.length).toBe(301);
    expect(new Set(seen.map(([, { idempotencyKey }]) => idempotencyKey)).size).toBe(301);
    for (const [{ id }, { idempotencyKey, attempt }] of seen) expect([idempotencyKey, attempt]).toEqual([`${made.name}/mail/${id}`, 1]);
    const [record] = seen.find(([{ value }]) => value.id === "p") ?? [];
    expect([record?.value, record?.key, record?.timestamp, record?.late]).toEqual([{ id: "p", total: 1, paid }, "p", 1_300, false]);
    expect(made.results.length).toBe(301);
    for (const result of made.results) expect(result).toMatchObject({ ok: true, attempts: 1, value: { at: new Date(7), id: result.input.id } });
  });

  test("without results leave the outbox as soon as BullMQ has them", async () => {
    const made = shop(someOrders(50), () => "ok", {}, false);
    await finish(made, bullmq(options({ perform: false })));
    const queue = redis.queue(module, `${made.name}.mail`);
    expect(await queue.getWaitingCount()).toBe(50);
    const [job] = await queue.getJobs(["wait"], 0, 0);
    expect(job?.data).toMatchObject({ idempotencyKey: `${made.name}/mail/${job?.data.id}`, value: { total: expect.any(Number) } });
    expect(job?.id).toBe(String(job?.data.id).replaceAll(":", "%3A"));
  });

  test("are tried again under one key, with growing waits, and give one result", async () => {
    const calls: [string, number, number][] = [];
    const perform: Perform = (_record, { idempotencyKey, attempt }) => {
      calls.push([idempotencyKey, attempt, Date.now()]);
      if (attempt < 4) throw new Error("503");
      return attempt;
    };
    const made = shop(someOrders(1), perform, { attempts: 6, backoff: exponential(100, 150) });
    await finish(made, bullmq(options()));
    expect(calls.map(([, attempt]) => attempt)).toEqual([1, 2, 3, 4]);
    expect(new Set(calls.map(([key]) => key)).size).toBe(1);
    calls.slice(1).forEach(([, , at], i) => expect(at - (calls[i]?.[2] ?? 0)).toBeGreaterThanOrEqual(i === 0 ? 48 : 73));
    expect(made.results).toMatchObject([{ ok: true, attempts: 4, value: 4 }]);
  });

  test("that fail for the last time give a failure as their result", async () => {
    const made = shop(someOrders(1), () => Promise.reject(new Error("gone for good")), { attempts: 2, backoff: exponential(10, 10) });
    await finish(made, bullmq(options()));
    expect(made.results).toMatchObject([{ ok: false, attempts: 2, error: "gone for good", input: { id: "0" } }]);
  });

  test("that take longer than their time limit have failed, and are told by their signal", async () => {
    const signals: AbortSignal[] = [];
    const perform: Perform = (_record, { signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    };
    const made = shop(someOrders(1), perform, { attempts: 1, timeLimit: 100 });
    await finish(made, bullmq(options()));
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(made.results).toMatchObject([{ ok: false, error: 'effect "mail" took longer than its timeLimit of 100 ms' }]);
  });

  test("whose result cannot be stored have failed, without being performed again", async () => {
    let calls = 0;
    const made = shop(someOrders(1), () => (calls++, () => {}), { attempts: 3 });
    await finish(made, bullmq(options()));
    expect(calls).toBe(1);
    expect(made.results).toMatchObject([{ ok: false, error: expect.stringContaining("cannot be stored") }]);
  });

  test("run at most `concurrency` at a time, and begin at most `max` in any `per` ms over all workers", async () => {
    let running = 0;
    let most = 0;
    const begun: number[] = [];
    const perform: Perform = async () => {
      begun.push(Date.now());
      most = Math.max(most, (running += 1));
      await new Promise((resolve) => setTimeout(resolve, 20));
      running -= 1;
    };
    const made = shop(someOrders(12), perform, { concurrency: 3, rateLimit: { max: 4, per: 400 } });
    await finish(made, bullmq(options()));
    expect(most).toBeLessThanOrEqual(3);
    // BullMQ counts in fixed spans, so two spans' worth may meet at their border; twelve need two full spans at least.
    expect((begun.at(-1) ?? 0) - (begun[0] ?? 0)).toBeGreaterThanOrEqual(700);
  });

  test("may be performed by another process's workers alone", async () => {
    const made = shop(someOrders(40), ({ value }) => value.total);
    const performers = await performEffects(made.pipeline, bullmq(options()));
    closing.push(() => performers.close());
    await finish(made, bullmq(options({ perform: false })));
    expect(new Set(made.results.map((result) => result.ok && result.value))).toEqual(new Set(someOrders(40).map(({ total }) => total)));
    expect(made.results.length).toBe(40);
  });

  test("that fail for the last time are listed and retried: over the runner, and as failed jobs in any dashboard", async () => {
    let broken = true;
    const performed: string[] = [];
    const perform: Perform = ({ value }) => {
      if (broken) throw new Error("503");
      performed.push(value.id);
    };
    const made = shop(someOrders(2), perform, { attempts: 2, backoff: exponential(1, 1) }, false);
    const { effects, runner } = spied(bullmq(options()));
    await finish(made, effects);
    await expect.poll(() => runner().failed?.("mail", 10)).toHaveLength(2);
    const [letter] = (await runner().failed?.("mail", 1)) ?? [];
    expect(letter).toMatchObject({ effect: "mail", reason: "503", attempts: 2, idempotencyKey: `${made.name}/mail/${letter?.id}` });
    broken = false;
    expect(await runner().retry?.("mail", letter?.id ?? "")).toBe(true);
    await expect.poll(() => performed.length).toBe(1);
    const queue = redis.queue(module, `${made.name}.mail`);
    const [job] = await queue.getFailed();
    await job?.retry();
    await expect.poll(() => new Set(performed).size).toBe(2);
    expect(await runner().retry?.("mail", "no such record")).toBe(false);
  });

  test("that had ended when their record is handed over again are not performed again", async () => {
    let calls = 0;
    const made = shop(someOrders(20), () => (calls += 1));
    const { effects, runner } = spied(bullmq(options()));
    await finish(made, effects);
    const [job] = await redis.queue(module, `${made.name}.mail`).getCompleted(0, 0);
    if (job === undefined) throw new Error("no job was completed");
    const { id, key, timestamp } = job.data as { id: string; key: string; timestamp: number };
    const record = { id, key, timestamp, late: false, value: { id: "x", total: 0 }, is: () => false } as never;
    const [settings] = made.pipeline.graph().participants.flatMap((node) => (node.kind === "computation" && node.effect !== undefined ? [node.effect] : []));
    const { signal } = new AbortController();
    const outcome = await runner().perform({ settings: settings as never, record, idempotencyKey: "k", attempt: 1, signal });
    expect(outcome).toEqual({ kind: "performed", value: (job.returnvalue as { value: number }).value, attempts: 1 });
    expect(calls).toBe(20);
  });

  test("of jobs that somebody else added fail at once, and of jobs that somebody removed are handed over again", async () => {
    const seen: string[] = [];
    const made = shop(someOrders(3), ({ value }) => seen.push(value.id), { attempts: 5 });
    const running = await run(made.pipeline, { store: new MemoryStore(), effects: bullmq(options({ perform: false })), log: () => {} });
    closing.push(() => running.stop());
    const queue = redis.queue(module, `${made.name}.mail`);
    await expect.poll(() => queue.getWaitingCount()).toBe(3);
    const [job] = await queue.getJobs(["wait"], 0, 0);
    await job?.remove();
    await queue.add("mail", { to: "everyone" }, { jobId: "garbage", attempts: 5 });
    await expect.poll(() => queue.getWaitingCount()).toBe(4);
    const performers = await performEffects(made.pipeline, bullmq(options()));
    closing.push(() => performers.close());
    await running.finished;
    expect(seen.sort()).toEqual(["0", "1", "2"]);
    expect(made.results.length).toBe(3);
    const ofGarbage = async () => {
      const garbage = await queue.getJob("garbage");
      return [garbage?.attemptsMade, garbage?.failedReason];
    };
    await expect.poll(ofGarbage).toEqual([1, 'job "garbage" of effect "mail" was not written by Millrace']);
  });

  test("wait while Redis is down, without an attempt being counted, and end when nobody wants them any more", async () => {
    const server = await startRedis({ tcp: true, args: ["--appendfsync", "always"] });
    closing.push(() => server.stop());
    const attempts: number[] = [];
    const made = shop(someOrders(30), (_record, { attempt }) => attempts.push(attempt), { attempts: 1 });
    await server.kill();
    const running = await run(made.pipeline, { store: new MemoryStore(), effects: bullmq(options({ connection: server.url })), log: () => {} });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(attempts).toEqual([]);
    await server.start();
    await running.finished;
    expect(made.results.map(({ ok }) => ok)).toEqual(Array.from({ length: 30 }, () => true));
    await server.kill();
    const began = Date.now();
    await running.stop();
    expect(Date.now() - began).toBeLessThan(20_000);
  });

  test("a queue of another name and prefix is used where the user says so, on a client of the user's that stays open", async () => {
    const { Redis } = await import("ioredis");
    const client = new Redis(redis.server.url, { maxRetriesPerRequest: null, protocol: 2, replyMapping: "legacy" });
    closing.push(() => client.quit());
    const made = shop(someOrders(5), () => "ok");
    await finish(made, bullmq(options({ connection: client, prefix: "mine", queue: (effect) => `${effect}-${made.name}` })));
    for (const close of closing.splice(1).reverse()) await close();
    expect(await client.exists(`mine:mail-${made.name}:meta`)).toBe(1);
    expect(client.status).toBe("ready");
  });
});

test.each<[string, unknown, string]>([
  ["no options", undefined, "give options"],
  ["no connection", {}, "connection is a URL"],
  ["a URL that is none of Redis", { connection: "http://localhost" }, "http:// is no URL of a Redis"],
  ["a misspelt option", { connection: "/s", prefixx: "x" }, 'no option "prefixx"'],
  ["the worker's concurrency", { connection: "/s", worker: { concurrency: 3 } }, "worker.concurrency is not yours"],
])("%s is a ConfigError", (_, options, text) => {
  expect(() => bullmq(options as never)).toThrow(text);
});

test("two effects with one queue, a name with a colon, and results that are not kept are refused when the pipeline starts", async () => {
  const { pipeline, name } = shop([], () => "");
  const start = (more: object) => run(pipeline, { store: new MemoryStore(), effects: bullmq({ connection: redis.server.url, ...more }), log: () => {} });
  await expect(start({ queue: () => "a:b" })).rejects.toThrow(`bullmq for pipeline "${name}": the name of a BullMQ queue is a text without ":"`);
  await expect(start({ removeOnComplete: true })).rejects.toThrow("removeOnComplete must keep its jobs");
  await expect(start({ module: {} })).rejects.toThrow("module is not BullMQ 5 or 6");
});

describe.each(VERSIONS)("dead letters of effects on %s", (_, module) => {
  test.each([true, false])(
    "are listed and tried again over HTTP, under the same key (with results: %s)",
    async (withResults) => {
      let broken = true;
      const keys: string[] = [];
      const perform: Perform = (_record, { idempotencyKey }) => {
        keys.push(idempotencyKey);
        if (broken) throw new Error("the other side is down");
        return "sent";
      };
      const { pipeline, results } = shop(someOrders(1), perform, { attempts: 2, backoff: exponential(1, 1) }, withResults);
      // Its input never ends, so that there is someone to try again.
      const open = pipeline.inject(
        "more",
        orders,
        fromIterable<Order>(async function* () {
          await new Promise(() => {});
          yield { value: { id: "", total: 0 }, position: 1 };
        }),
      );
      const connection = { host: "127.0.0.1", port: redis.server.port };
      const token = "0123456789abcdef0123456789abcdef";
      const http = { port: 0, tokens: [{ token, scopes: ["operate"] as const }] };
      const headers = { authorization: `Bearer ${token}` };
      const running = await run(open, { store: new MemoryStore(), http, effects: bullmq({ connection, module, worker: QUICK }), log: () => {} });
      closing.push(() => running.stop());
      const list = async () =>
        (
          (await (await fetch(`${running.url}/v1/dead-letters?participant=mail`, { headers })).json()) as {
            deadLetters: { letter: string; attempts: number }[];
          }
        ).deadLetters;
      await expect.poll(async () => (await list()).length, { timeout: 15_000 }).toBe(1);
      const [letter] = await list();
      expect(letter?.attempts).toBe(2);
      expect(letter?.letter.startsWith("job:")).toBe(!withResults);
      broken = false;
      const answer = await fetch(`${running.url}/v1/dead-letters/mail/${encodeURIComponent(letter?.letter ?? "")}/retry`, { method: "POST", headers });
      expect(answer.status).toBe(200);
      await expect.poll(() => keys.length, { timeout: 15_000 }).toBe(3);
      expect(new Set(keys).size).toBe(1);
      expect(await list()).toEqual([]);
      if (withResults) await expect.poll(() => results.map(({ ok }) => ok), { timeout: 15_000 }).toEqual([false, true]);
    },
    60_000,
  );
});
