/**
 * A tick of the watermarks at scale: 10 computations in a chain, 1,000 shards each, shared by a few workers. One worker's
 * tick is what its engine computes of all its shards (`Reporter`), the report script on Redis, and what the answer makes
 * of them. Every tick here carries a new value of every computation, the worst case.
 *
 *   scriptMs   the script alone, by the server's own clock
 *   engineMs   CPU time of the worker in a tick: before the report is sent and after it was answered
 *   tickMs     from the event that moves the first watermark until every shard has taken the answer over: one report
 *   chainMs    until that value is at the end of the chain: a value crosses one stage a report
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import {
  Computation,
  type Context,
  input,
  injector,
  type InjectorSource,
  output,
  Pipeline,
  run,
  type SourceItem,
  type Stream,
  stream,
  type StreamRecord,
  byHand,
} from "../src/index.ts";
import { workerOf } from "../src/run.ts";
import { RedisStore } from "../src/store/redis/redis-store.ts";
import { REPORT } from "../src/store/redis/scripts.ts";
import { benchmark } from "./harness/benchmark.ts";
import { startRedis } from "../test/support/redis-server.ts";

const STEP = 1_000;
const LOGGED = 100_000;

interface WatermarkTickOptions {
  readonly shards: number;
  readonly stages: number;
  readonly workers: number;
  readonly ticks: number;
}

export const watermarkTick = benchmark({
  name: "watermark-tick",
  about: "what one tick of the watermarks costs, with many shards and a few workers in this process",
  numbers: { shards: 1_000, stages: 10, workers: 4, records: 100 },
  run: ({ shards, stages, workers, records }) => tickBench({ shards, stages, workers, ticks: records }),
});

class Pass extends Computation {
  readonly from;
  readonly to;
  constructor(from: Stream<number>, to: Stream<number>) {
    super();
    this.from = input(from, { key: (value) => `k${value}` });
    this.to = output(to);
  }
  override processRecord(record: StreamRecord<number>, context: Context): void {
    context.produce(this.to, record.value);
  }
}

/** Promises one more step whenever it is told to. */
class Promises {
  #wake = () => {};
  #promised = 0;
  readonly source: InjectorSource = {
    kind: "injector",
    description: "promises",
    partitions: 1,
    timestamp: undefined,
    id: undefined,
    idRetention: 0,
    watermark: byHand(),
    maxAhead: Number.POSITIVE_INFINITY,
    open: async (context, position) => {
      let at = (position as number | undefined) ?? 0;
      context.signal.addEventListener("abort", () => this.#wake(), { once: true });
      const pull = async () => {
        while (at >= this.#promised && !context.signal.aborted) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        at = this.#promised;
        const item: SourceItem = { value: undefined, mark: true, watermark: at * STEP, position: at };
        return { items: context.signal.aborted ? [] : [item], done: false };
      };
      return { pull, close: async () => {} };
    },
  };

  more(): number {
    this.#promised++;
    this.#wake();
    return this.#promised * STEP;
  }
}

async function tickBench({ shards, stages, workers, ticks }: WatermarkTickOptions): Promise<object> {
  const server = await startRedis();
  const promises = new Promises();
  const make = (): Pipeline => {
    const streams = Array.from({ length: stages + 1 }, (_, i) => stream<number>(`s${i}`));
    const pipeline = new Pipeline("tick", { shards }).inject("source", streams[0] as Stream<number>, injector<number>(promises.source));
    for (let i = 0; i < stages; i++) pipeline.compute(`c${i}`, () => new Pass(streams[i] as Stream<number>, streams[i + 1] as Stream<number>));
    return pipeline;
  };
  const running = await Promise.all(
    Array.from({ length: workers }, () => run(make(), { store: new RedisStore(server.socket), leaseMs: 30_000, log: () => {} })),
  );
  const client = new Redis({ path: server.socket });
  try {
    const all = running.map(workerOf);
    const [first] = all;
    if (first === undefined) throw new RangeError("there is no worker");
    const computations = first.engine.options.plan.participants.filter(({ kind }) => kind === "computation");
    const last = computations.at(-1)?.id as number;
    const owned = () => all.reduce((sum, { engine }) => sum + computations.reduce((of, each) => of + engine.shardsOf(each).length, 0), 0);
    const reached = (value: number) => first.engine.reporter.published(last).output >= value;
    const setUp = performance.now();
    await until(() => owned() === shards * stages, "all shards are owned");
    const value = promises.more();
    await until(() => reached(value), "the first watermark has come to the end");
    const ownedMs = performance.now() - setUp;
    await client.config("SET", "slowlog-log-slower-than", "0");
    await client.config("SET", "slowlog-max-len", String(LOGGED));
    await client.slowlog("RESET");
    const cpu = process.cpuUsage();
    const start = performance.now();
    const chain: number[] = [];
    for (let tick = 0; tick < ticks; tick++) {
      const from = performance.now();
      const next = promises.more();
      await until(() => reached(next), "the watermark has come to the end");
      chain.push(performance.now() - from);
    }
    const wall = performance.now() - start;
    const used = process.cpuUsage(cpu);
    const { calls, usec } = await reports(client);
    const round = (ms: number) => Math.round(ms * 1_000) / 1_000;
    chain.sort((a, b) => a - b);
    return {
      benchmark: "watermark-tick",
      shards,
      computations: stages,
      workers,
      values: ticks,
      reports: calls,
      scriptMs: round(usec / 1_000 / calls),
      engineMs: round((used.user + used.system) / 1_000 / calls),
      tickMs: round((wall * workers) / calls),
      chainP50Ms: round(chain[chain.length >> 1] ?? 0),
      chainP99Ms: round(chain[Math.floor(chain.length * 0.99)] ?? 0),
      startSeconds: round(ownedMs / 1_000),
    };
  } finally {
    client.disconnect();
    await Promise.all(running.map((each) => each.stop()));
    await server.stop();
  }
}

/** Calls of the script that reports since the log was reset, by the server's log of slow commands, which logs all of them here. */
async function reports(client: Redis): Promise<{ readonly calls: number; readonly usec: number }> {
  const log = (await client.slowlog("GET", LOGGED)) as readonly (readonly [number, number, number, readonly string[]])[];
  const found = log.filter(([, , , [, sha]]) => sha === REPORT.sha);
  return { calls: found.length, usec: found.reduce((sum, [, , usec]) => sum + usec, 0) };
}

async function until(done: () => boolean, what: string): Promise<void> {
  const start = performance.now();
  while (!done()) {
    if (performance.now() - start > 120_000) throw new Error(`not within two minutes: ${what}`);
    await sleep(1);
  }
}
