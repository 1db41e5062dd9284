/** The three stores as a user names them, for tests of a whole pipeline: each trial has data of its own, and may be stopped and started on it. */
import { afterAll, beforeAll, expect } from "vitest";
import { LmdbStore, MemoryStore, type Pipeline, RedisStore, run, type RunningPipeline, type RunOptions, type Store } from "../../src/index.ts";
import { shardRef } from "../../src/key.ts";
import { workerOf } from "../../src/run.ts";
import type { Worker } from "../../src/worker/worker.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

export const STORES = ["memory", "lmdb", "redis"] as const;
export type StoreName = (typeof STORES)[number];

/** Gives a function that makes a store nobody has used, as one that opens its data at every start. Called once a file. */
export function realStores(): (name: StoreName) => () => Store {
  const fresh = temporaryDirectory();
  let server: RedisServer;
  let used = 0;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  return (name) => {
    const number = ++used;
    const directory = fresh("lmdb");
    const memory = new MemoryStore();
    if (name === "memory") return () => memory;
    return name === "lmdb" ? () => new LmdbStore(directory) : () => new RedisStore(server.url, { prefix: `trial-${number}` });
  };
}

export class Trial {
  readonly #store: () => Store;
  #running: RunningPipeline | undefined = undefined;
  /** What `finished` rejected with, and the lines of the log. */
  failure: unknown = undefined;
  readonly log: { readonly level: string; readonly text: string; readonly fields: object }[] = [];

  constructor(store: () => Store) {
    this.#store = store;
  }

  /** Starts it; what ran before is stopped first. */
  async start(pipeline: Pipeline, options: Omit<RunOptions, "store"> = {}): Promise<void> {
    await this.stop();
    const log: RunOptions["log"] = (level, text, fields) => void this.log.push({ level, text, fields });
    this.#running = await run(pipeline, { store: this.#store(), log, ...options });
    this.failure = undefined;
    this.#running.finished.catch((error: unknown) => (this.failure = error));
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }

  get worker(): Worker {
    return workerOf(this.#running as RunningPipeline);
  }

  #planned(name: string): { readonly id: number; readonly shards: number } {
    const found = this.worker.engine.options.plan.participants.find((participant) => participant.name === name);
    if (found === undefined) throw new RangeError(`no participant is named ${name}`);
    return found;
  }

  /** The output watermark in force. */
  output(name: string): number {
    return this.worker.engine.reporter.published(this.#planned(name).id).output;
  }

  /** A counter over the shards of a participant. */
  counted(name: string, counter: "processed" | "deadLetters" | "failures" | "late" | "timersFired"): number {
    const { id, shards } = this.#planned(name);
    let sum = 0;
    for (let index = 0; index < shards; index++) sum += this.worker.engine.shards.get(shardRef(id, index))?.image.counters[counter] ?? 0;
    return sum;
  }

  /** Has the computation nothing more to do, nor to sweep away? */
  quiet(name: string): boolean {
    const { id, shards } = this.#planned(name);
    return Array.from({ length: shards }, (_, index) => this.worker.engine.computation(shardRef(id, index))?.quiet).every((quiet) => quiet === true);
  }

  halted(name: string): string[] {
    const { id, shards } = this.#planned(name);
    return Array.from({ length: shards }, (_, index) => this.worker.engine.computation(shardRef(id, index))?.halted ?? []).flat();
  }
}

/** Waits until `look` gives `expected`. */
export async function until(look: () => unknown, expected: unknown): Promise<void> {
  await expect.poll(look, { interval: 2, timeout: 15_000 }).toEqual(expected);
}
