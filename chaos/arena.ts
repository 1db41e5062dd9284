/**
 * What every scenario runs in: a Redis of its own or a folder for LMDB, workers in processes of their own, and the end of
 * every run: heal, drain, audit, verify. The faults are the scenarios'.
 *
 * A1  No verdict without draining: every record was given, every watermark is at the end of time, every worker has ended.
 * A2  Nothing outlives `close`.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { audit, type AuditReport } from "../src/audit/audit.ts";
import { LmdbStore, RedisStore } from "../src/index.ts";
import { type RedisServer, startRedis } from "../test/support/redis-server.ts";
import { lineCount, linesOfFile, linesOfStream } from "./lines.ts";
import type { Load } from "./load.ts";
import type { Line } from "./pipeline.ts";
import type { Throttle } from "./numbers.ts";
import type { ClusterAddress, Settings } from "./orders.ts";
import type { ChaosResult, StoreName } from "./scenario.ts";
import { comesTo, until } from "./until.ts";
import { Verifier, type Verdict } from "./verifier.ts";
import { ChaosWorker, type Tenure } from "./worker.ts";

export interface ArenaOptions {
  readonly chaos: string;
  readonly store: StoreName;
  readonly load: Load;
  readonly workers: number;
  readonly leaseMs: number;
  readonly shards?: number;
  readonly batchRecords?: number;
  readonly timeoutMs?: number;
  readonly pipeline?: Settings["pipeline"];
  /** Of a Redis that is the scenario's own. Default: one is started. */
  readonly address?: string;
  /** A Redis Cluster that has the data, the scenario's own; the lines go to a Redis beside it. */
  readonly cluster?: ClusterAddress;
  /** Arguments of the Redis server. */
  readonly server?: readonly string[];
}

/** ms without any progress after which a run is given up. */
const STANDSTILL = 60_000;
/** ms by which records are let pass before they are due. */
const AHEAD = 2_000;
/** Workers that are loaded, or about to be, and wait for their turn: a start costs no loading, also where that takes longer than until the next one. */
const SPARES = 2;

export class Arena {
  readonly options: ArenaOptions;
  readonly server: RedisServer | undefined;
  /** Of the harness itself, past every faulty way. */
  readonly redis: Redis | undefined;
  /** The version of the code of workers that are added. */
  code = 0;
  readonly tenures: Tenure[] = [];
  /** In the order of their starts; those that are gone too. */
  readonly workers: ChaosWorker[] = [];
  readonly #spares: ChaosWorker[] = [];
  readonly #directory: string;
  readonly #began = Date.now();
  #throttle: Throttle;
  #flowing: NodeJS.Timeout | undefined = undefined;

  static async open(options: ArenaOptions): Promise<Arena> {
    const server = options.store === "redis" && options.address === undefined ? await startRedis({ tcp: true, args: options.server ?? [] }) : undefined;
    return new Arena(options, server);
  }

  private constructor(options: ArenaOptions, server: RedisServer | undefined) {
    this.options = options;
    this.#throttle = { startAt: Number.MAX_SAFE_INTEGER, limit: 0, records: options.load.records === 0 ? Number.MAX_SAFE_INTEGER : options.load.records };
    this.server = server;
    const path = options.address ?? server?.socket;
    this.redis = path === undefined ? undefined : new Redis({ path, retryStrategy: () => 50, maxRetriesPerRequest: null });
    this.redis?.on("error", () => {});
    this.#directory = mkdtempSync(join(tmpdir(), "millrace-chaos-"));
  }

  // ── workers ─────────────────────────────────────────────────────────────────────────────────────────────────────

  get alive(): ChaosWorker[] {
    return this.workers.filter(({ running }) => running);
  }
  get startAt(): number {
    return this.#throttle.startAt;
  }

  get #way(): string | undefined {
    return this.options.address ?? this.server?.url;
  }

  /**
   * Starts a worker; `way`: how it reaches Redis, default its port; `instead`: of one that is dead, whose place it takes, as
   * `millrace run --workers` does it. Comes back when it runs.
   */
  async add(way = this.#way, instead?: ChaosWorker): Promise<ChaosWorker> {
    const worker = this.#spares.shift() ?? new ChaosWorker(this.tenures);
    const { name, start } = instead?.place ?? { name: `place-${this.workers.length}`, start: -1 };
    this.workers.push(worker);
    await worker.start({ ...this.#settings(way), place: { name, start: start + 1 } });
    while (this.#spares.length < SPARES && this.workers.length >= this.options.workers) this.#spares.push(new ChaosWorker(this.tenures));
    await until("a worker has started", () => worker.name !== undefined || worker.gone, { among: () => worker.log });
    if (worker.gone) throw new Error(`a worker did not start:\n${worker.log.join("\n")}`);
    worker.order({ pass: this.#throttle });
    return worker;
  }

  #settings(way: string | undefined): Omit<Settings, "place"> {
    const { pipeline = "chaos", load, shards = 16, leaseMs, batchRecords = 64, timeoutMs = 5_000 } = this.options;
    const store = way ?? `lmdb:${join(this.#directory, "store")}`;
    return {
      pipeline,
      store,
      cluster: this.options.cluster,
      file: this.#file,
      code: this.code,
      load,
      shards,
      leaseMs,
      batchRecords,
      timeoutMs,
      throttle: this.#throttle,
    };
  }

  get #file(): string {
    return join(this.#directory, "lines.ndjson");
  }

  /** Starts all workers and waits until they share the shards; no record is given before `pass`. */
  async begin(ways: readonly (string | undefined)[] = Array.from({ length: this.options.workers }, () => this.#way)): Promise<void> {
    const [first, ...others] = ways;
    // What one has compiled the others only load.
    await this.add(first);
    await Promise.all(others.map((way) => this.add(way)));
    await this.shared();
  }

  /** Waits until all that are alive work on shards, no two with numbers that differ by much, and none is without a worker. */
  async shared(): Promise<void> {
    const even = (): boolean => {
      const counts = this.alive.map(({ working }) => working.size);
      return counts.reduce((sum, count) => sum + count, 0) === this.shardCount && Math.max(...counts) - Math.min(...counts) <= 2;
    };
    await until("the shards are shared evenly", even, { among: () => this.alive.map(({ name, working }) => `${name} works on ${working.size}`) });
  }

  /** Waits until every shard is worked on, however they are shared. */
  async covered(): Promise<void> {
    const all = (): boolean => new Set(this.alive.flatMap(({ working }) => [...working.keys()])).size === this.shardCount;
    await until("every shard is worked on", all, {
      among: () => this.alive.map(({ name, working, log }) => `${name} works on ${working.size}: ${log.at(-1)}`),
    });
  }

  get shardCount(): number {
    const { pipeline = "chaos", shards = 16, load } = this.options;
    return (pipeline === "chaos" ? 3 : 2) * shards + load.partitions + 1;
  }

  /** Lets records below `limit` be given. The first call sets the time from which on they are due. */
  pass(limit: number, records = this.#throttle.records): void {
    const { startAt } = this.#throttle;
    this.#throttle = { startAt: startAt === Number.MAX_SAFE_INTEGER ? Date.now() : startAt, limit, records };
    for (const worker of this.workers) worker.order({ pass: this.#throttle });
  }

  /** Lets records be given as they are due, for as long as the scenario takes; `drain` ends it. */
  flow(): void {
    const more = (): void => {
      const { startAt, limit } = this.#throttle;
      const since = startAt === Number.MAX_SAFE_INTEGER ? 0 : Date.now() - startAt;
      this.pass(Math.max(limit, Math.ceil(((since + AHEAD) * this.options.load.rate) / 1_000)), Number.MAX_SAFE_INTEGER);
    };
    more();
    this.#flowing = setInterval(more, AHEAD / 4);
  }

  /** The load with as many records as were given, or are to be. */
  get load(): Load {
    return { ...this.options.load, records: this.#throttle.records };
  }

  // ── what is there ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Lines written so far. */
  async written(): Promise<number> {
    return this.redis === undefined ? lineCount(this.#file) : await this.redis.xlen("chaos-lines");
  }

  /** From outside, past every faulty way. */
  async audit(): Promise<AuditReport> {
    const path = this.options.address ?? this.server?.socket;
    const { cluster } = this.options;
    const redis = path === undefined ? undefined : new RedisStore(cluster === undefined ? path : { cluster: cluster.urls });
    const store = redis ?? new LmdbStore(join(this.#directory, "store"));
    return await audit(store, { pipeline: this.options.pipeline ?? "chaos" });
  }

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Gives all records that are left, and waits until everything that they cause is done and every worker has ended. */
  async drain(): Promise<void> {
    clearInterval(this.#flowing);
    // No worker was ever let give a record above the limit.
    const { limit, records } = this.#throttle;
    const all = records === Number.MAX_SAFE_INTEGER ? limit : records;
    this.pass(all, all);
    let last = await this.written();
    let since = Date.now();
    const ended = async (): Promise<boolean> => {
      const now = await this.written();
      if (now !== last) since = Date.now();
      last = now;
      if (Date.now() - since > STANDSTILL) throw new Error(`nothing was written for ${STANDSTILL} ms:\n${this.#logs()}`);
      if (this.alive.length === 0 && !this.workers.some(({ ended: how }) => how === "finished")) throw new Error(`no worker is alive:\n${this.#logs()}`);
      return this.workers.some(({ ended: how }) => how === "finished");
    };
    await until("the run has finished", ended, { every: 50, within: 3_600_000 });
    for (const worker of this.workers) worker.order({ stop: true });
    await comesTo(() => this.workers.every(({ gone }) => gone), 20_000);
  }

  #logs(): string {
    return this.workers.map(({ name, log }) => `${name}: ${log.slice(-5).join(" | ")}`).join("\n");
  }

  /** Everything that was written, in order. */
  async *lines(): AsyncGenerator<Line> {
    if (this.redis === undefined) yield* linesOfFile(this.#file);
    else yield* linesOfStream(this.redis);
  }

  async #verdict(): Promise<Verdict> {
    if (this.options.pipeline === "timers") return { lost: 0, doubled: 0, outOfOrder: 0, wrong: 0, examples: [] };
    const verifier = new Verifier(this.load);
    for await (const line of this.lines()) verifier.add(line);
    return verifier.verdict();
  }

  /** Drains, audits, verifies, and puts it all together with what the scenario has measured. */
  async conclude(measured: Partial<Pick<ChaosResult, "faults" | "recoveryP99Ms" | "bystanderP99Ratio" | "details">>): Promise<ChaosResult> {
    await this.drain();
    const report = await this.audit();
    const { lost, doubled, outOfOrder, wrong, examples } = await this.#verdict();
    const found = report.invariants.flatMap(({ invariant, examples: of }) => of.slice(0, 3).map((each) => `${invariant}: ${JSON.stringify(each)}`));
    for (const text of [...examples, ...found]) console.error(text);
    return {
      chaos: this.options.chaos,
      store: this.options.cluster === undefined ? this.options.store : "redis-cluster",
      records: this.load.records,
      lost,
      doubled,
      outOfOrder,
      violations: wrong + report.violations,
      faults: measured.faults ?? 0,
      recoveryP99Ms: measured.recoveryP99Ms ?? null,
      bystanderP99Ratio: measured.bystanderP99Ratio ?? null,
      seconds: Number(((Date.now() - this.#began) / 1_000).toFixed(1)),
      details: measured.details ?? {},
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#flowing);
    const all = [...this.workers, ...this.#spares];
    for (const worker of all) worker.signal("SIGKILL");
    await Promise.all(all.map(({ exited }) => exited));
    this.redis?.disconnect();
    await this.server?.stop();
    if (existsSync(this.#directory)) rmSync(this.#directory, { recursive: true, force: true });
  }
}
