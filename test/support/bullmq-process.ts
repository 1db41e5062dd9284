/**
 * A process of its own for `test/bullmq/kills.test.ts`, which strikes it down and starts it anew. Its arguments: what it
 * does, the version of BullMQ, the store, the Redis of BullMQ, and
 *
 *   effects <url> <file> <n>   calls an HTTP server for each of n numbers but every tenth, whose handler throws after it
 *                              produced; writes a line for each result
 *   through <in> <out>         one job of the queue `out` for each job of the queue `in`, until it is ended
 */
import { bullmq, fromBullMq, toBullMq } from "../../src/bullmq/index.ts";
import { systemClock } from "../../src/clock.ts";
import {
  Computation,
  type Context,
  cbor,
  type EffectResult,
  exponential,
  fromIterable,
  input,
  LmdbStore,
  output,
  Pipeline,
  type Positioned,
  RedisStore,
  run,
  stream,
  type StreamRecord,
  toFile,
} from "../../src/index.ts";

const [, , task, version, where = "", connection = "", ...more] = process.argv;
/** Only the one that is needed: both take longer to load than the rest. */
const module: object = version === "5" ? await import("bullmq-5") : await import("bullmq");
const worker = { lockDuration: 1_000, stalledInterval: 500, drainDelay: 1 };
const store = where.startsWith("lmdb:") ? new LmdbStore(where.slice(5)) : new RedisStore(where);

const numbers = stream<number>("numbers");
const calls = stream<{ readonly n: number }>("calls");
const answers = stream<EffectResult<{ readonly n: number }, string>>("answers", { codec: cbor() });
const lines = stream<{ readonly n: number; readonly ok: boolean; readonly answer: string }>("lines");

class Caller extends Computation {
  readonly numbers = input(numbers, { key: (n) => `k${n % 50}` });
  readonly calls = output(calls);
  override processRecord({ value: n }: StreamRecord<number>, context: Context): void {
    context.produce(this.calls, { n });
    if (n % 10 === 0) throw new Error("after it produced");
  }
}

class Lines extends Computation {
  readonly answers = input(answers, { key: ({ input: { n } }) => `${n}` });
  readonly lines = output(lines);
  override processRecord({ value }: StreamRecord<EffectResult<{ readonly n: number }, string>>, context: Context): void {
    context.produce(this.lines, { n: value.input.n, ok: value.ok, answer: value.ok ? value.value : value.error });
  }
}

async function effects(url: string, file: string, n: number): Promise<void> {
  async function* source(position: number | undefined): AsyncGenerator<Positioned<number, number>> {
    for (let i = (position ?? -1) + 1; i < n; i++) {
      yield { value: i, position: i, timestamp: 1_000 + i };
      await new Promise<void>((resolve) => systemClock.after(2, resolve));
    }
  }
  const pipeline = new Pipeline("callers", { shards: 4 })
    .inject("numbers", numbers, fromIterable(source))
    .compute("caller", Caller, { attempts: 1 })
    .effect(
      "call",
      calls,
      async ({ value }, { idempotencyKey, signal }) => {
        const reply = await fetch(url, { method: "POST", body: `${value.n}`, headers: { "idempotency-key": idempotencyKey }, signal });
        if (!reply.ok) throw new Error(`status ${reply.status}`);
        return await reply.text();
      },
      { attempts: 20, backoff: exponential(20, 200), results: answers },
    )
    .compute("lines", Lines)
    .sink("file", lines, toFile(file, { fsync: false }));
  const running = await run(pipeline, { store, effects: bullmq({ connection, worker, module }), leaseMs: 500, log: () => {} });
  await running.finished;
  await running.stop();
}

async function through(from: string, to: string): Promise<void> {
  const pipeline = new Pipeline("through", { shards: 2 })
    .inject("in", calls, fromBullMq(from, { connection, worker, module, disorder: 200 }))
    .sink("out", calls, toBullMq(to, { connection, module }));
  await run(pipeline, { store, leaseMs: 500, log: () => {} });
  process.stdout.write("running\n");
}

if (task === "effects") await effects(more[0] ?? "", more[1] ?? "", Number(more[2]));
else await through(more[0] ?? "", more[1] ?? "");
if (task === "effects") process.stdout.write("finished\n");
