/**
 * One or more workers of a pipeline on a `MemoryStore` and a clock that stands still, with a hand on every line to the
 * store: what `PipelineTester` does not show, because users do not need it. Nothing of Millrace is replaced.
 */
import { systemClock } from "../../src/clock.ts";
import { openValue } from "../../src/computation/envelope.ts";
import { MemoryStore, type Pipeline } from "../../src/index.ts";
import { shardOf, shardRef, type ShardRef } from "../../src/key.ts";
import type { EffectRunner } from "../../src/effects/effects.ts";
import type { Random } from "../../src/random.ts";
import { stateField } from "../../src/store/address.ts";
import type { Commit, CommitReply, PipelineStore, Status, Store } from "../../src/store/index.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { type DeadLetter, parseDeadLetter } from "../../src/worker/held.ts";
import type { Place } from "../../src/worker/place.ts";
import type { PlannedComputation, PlannedParticipant } from "../../src/worker/plan.ts";
import { reconcile } from "../../src/worker/reconcile.ts";
import { startWorker, type Worker } from "../../src/worker/worker.ts";

export interface RigOptions {
  /** Performs the pipeline's effects. */
  readonly runner?: EffectRunner;
  readonly store?: Store;
  readonly clock?: VirtualClock;
  readonly batchRecords?: number;
  readonly cacheBytes?: number;
  readonly frozen?: boolean;
  readonly leaseMs?: number;
  /** ms between watermark reports. Default 0. */
  readonly reportEvery?: number;
  readonly drop?: readonly string[];
  /** Whose place the worker takes. */
  readonly place?: Place;
  /** A worker may become dumb at any time, and then never comes to rest: starting one waits for some turns only. */
  readonly mortal?: boolean;
  /** false: every record has a place in an inbox before it is processed, so that the commits of a chain can be held up one by one. */
  readonly chains?: boolean;
  /** Called with each line to the store, before anything goes over it. */
  readonly onLine?: (line: Line) => void;
}

type AsyncMethod = { [K in keyof PipelineStore]: PipelineStore[K] extends (...args: never[]) => Promise<unknown> ? K : never }[keyof PipelineStore];
type Apply = (commits: readonly Commit[]) => Promise<CommitReply>;

/** The line to the store: calls are counted, and a test may come between. */
export class Line {
  readonly calls = new Map<string, number>();
  readonly commits: Commit[] = [];
  /** Called in place of a commit; `apply` is what the store does. */
  onCommit: (commits: readonly Commit[], apply: Apply) => Promise<CommitReply> = (commits, apply) => apply(commits);
  /** Called before any other call; may wait or throw. */
  onCall: (method: AsyncMethod, args: readonly unknown[]) => void | Promise<void> = () => {};
  /** Called when the store has answered any other call, before the worker hears of it. */
  after: (method: AsyncMethod) => void | Promise<void> = () => {};
  generation = 0;
  /** What the store says of the bytes of calls. */
  sent: () => Promise<void> | undefined = () => undefined;
  readonly store: PipelineStore;
  #end: PipelineStore;

  constructor(store: PipelineStore) {
    this.#end = store;
    this.store = new Proxy(store, {
      get: (_store, name) => {
        const target = this.#end;
        if (name === "generation") return this.generation;
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name === "sent") return this.sent;
        if (name === "domainOf") return value.bind(target);
        return (...args: unknown[]) => this.#call(target, name as AsyncMethod, args);
      },
    });
  }

  /** From now on it leads to this one. */
  lead(store: PipelineStore): void {
    this.#end = store;
  }

  count(method: AsyncMethod): number {
    return this.calls.get(method) ?? 0;
  }

  async #call(store: PipelineStore, method: AsyncMethod, args: unknown[]): Promise<unknown> {
    this.calls.set(method, this.count(method) + 1);
    if (method === "commit") {
      const commits = args[0] as readonly Commit[];
      this.commits.push(...commits);
      return await this.onCommit(commits, (given) => this.#end.commit(given));
    }
    await this.onCall(method, args);
    const answer = await (store[method] as (...all: unknown[]) => Promise<unknown>).apply(store, args);
    await this.after(method);
    return answer;
  }
}

export class Rig {
  readonly clock: VirtualClock;
  readonly disk: Store;
  readonly options: RigOptions;
  readonly logged: string[] = [];
  pipeline: Pipeline;
  worker!: Worker;
  line!: Line;
  /** What `finished` came to: "finished", or what it rejected with. */
  outcome: unknown = undefined;
  /** Workers that were started on each store. Their names, and so the shards they take, do not depend on other tests. */
  static readonly #workers = new WeakMap<Store, number>();
  #random!: Random;

  private constructor(pipeline: Pipeline, options: RigOptions) {
    this.pipeline = pipeline;
    this.options = options;
    this.clock = options.clock ?? new VirtualClock(1_000_000);
    this.disk = options.store ?? new MemoryStore();
  }

  static async start(pipeline: Pipeline, options: RigOptions = {}): Promise<Rig> {
    const rig = new Rig(pipeline, options);
    await rig.#begin(options.drop);
    return rig;
  }

  /** Another worker on the same store and clock. */
  async another(options: Pick<RigOptions, "place"> = {}): Promise<Rig> {
    return await Rig.start(this.pipeline, { ...this.options, ...options, store: this.disk, clock: this.clock });
  }

  async #begin(drop: readonly string[] = []): Promise<void> {
    const name = (Rig.#workers.get(this.disk) ?? 0) + 1;
    Rig.#workers.set(this.disk, name);
    let ids = 0;
    const random = { id: () => `w${name}-${(ids += 1)}` };
    const graph = this.pipeline.graph();
    this.#random = random;
    this.line = new Line(await this.disk.open({ pipeline: graph.pipeline, clock: this.clock, random }));
    this.options.onLine?.(this.line);
    const plan = await reconcile(this.line.store, graph, drop);
    const { batchRecords = 256, cacheBytes = 128 << 20, frozen = false, leaseMs = 2_000, reportEvery = 0, runner, place, chains = true } = this.options;
    const log = (level: string, text: string) => void this.logged.push(`${level}: ${text}`);
    const { store } = this.line;
    this.worker = startWorker({
      plan,
      store,
      clock: this.clock,
      random,
      leaseMs,
      batchRecords,
      cacheBytes,
      frozen,
      reportEvery,
      chains,
      place,
      runner,
      log,
    });
    this.outcome = undefined;
    void this.worker.driver.finished.then(
      () => (this.outcome = "finished"),
      (error: unknown) => (this.outcome = error),
    );
    if (this.options.mortal === true) await this.turns(100);
    else await this.rest();
  }

  /** Waits until nothing happens any more without the test or the clock. */
  async rest(): Promise<void> {
    let before = -1;
    for (let quiet = 0; quiet < 2; ) {
      await new Promise<void>((resolve) => systemClock.soon(resolve));
      await this.worker.driver.settled();
      const now = [...this.line.calls.values()].reduce((sum, calls) => sum + calls, 0);
      quiet = now === before ? quiet + 1 : 0;
      before = now;
    }
  }

  /** Lets things go on for some turns of the event loop, where a call is held back by the test and nothing comes to rest. */
  async turns(count = 20): Promise<void> {
    for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => systemClock.soon(resolve));
  }

  /** Moves processing time on, through everything that is due meanwhile. */
  async advance(by: number): Promise<void> {
    await this.rest();
    const until = this.clock.now() + by;
    for (let next = this.clock.next(); next !== undefined && next <= until; next = this.clock.next()) {
      this.clock.advance(Math.max(0, next - this.clock.now()));
      await this.rest();
    }
    this.clock.advance(Math.max(0, until - this.clock.now()));
    await this.rest();
  }

  /** Moves processing time on at once, as after a machine's sleep. */
  async jump(by: number): Promise<void> {
    await this.rest();
    this.clock.advance(by);
    await this.rest();
  }

  /** Stops the worker where it stands and starts another, of this pipeline or a changed one. */
  async crash(pipeline: Pipeline = this.pipeline, drop: readonly string[] = []): Promise<void> {
    this.pipeline = pipeline;
    await this.kill();
    await this.#begin(drop);
  }

  /** Opens the store again under the worker: it does not notice, but the store may be another. */
  async reconnect(): Promise<void> {
    this.line.lead(await this.disk.open({ pipeline: this.pipeline.name, clock: this.clock, random: this.#random }));
  }

  async kill(): Promise<void> {
    await this.worker.driver.halt();
  }

  // ── what is to be seen ──────────────────────────────────────────────────────────────────────────────────────────

  planned(name: string): PlannedParticipant {
    const found = this.worker.engine.options.plan.participants.find((participant) => participant.name === name);
    if (found === undefined) throw new RangeError(`no participant is named ${name}`);
    return found;
  }

  shards(name: string): ShardRef[] {
    const { id, shards } = this.planned(name);
    return Array.from({ length: shards }, (_, index) => shardRef(id, index));
  }

  /** What is stored in a cell of a key; undefined: nothing. */
  async state(computation: string, cell: string, key: string): Promise<unknown> {
    const { id, shards, cells } = this.planned(computation) as PlannedComputation;
    const planned = cells.find((each) => each.node.name === cell);
    if (planned === undefined) throw new RangeError(`${computation} has no state ${cell}`);
    const [bytes] = await this.line.store.readState(shardRef(id, shardOf(key, shards)), [stateField(planned.id, key)]);
    return bytes === undefined ? undefined : openValue(planned.node.codec, bytes).value;
  }

  async deadLetters(name: string): Promise<DeadLetter[]> {
    const letters = await Promise.all(this.shards(name).map((shard) => this.line.store.readDeadLetters(shard, 100_000)));
    return letters.flat().map(({ bytes }) => parseDeadLetter(bytes));
  }

  /** Sums over the shards of a participant, as stored. */
  async stored(name: string): Promise<{ queued: number; held: number; dead: number; timers: number; state: number }> {
    const sum = { queued: 0, held: 0, dead: 0, timers: 0, state: 0 };
    for (const each of await this.line.store.summarize(this.shards(name))) {
      sum.queued += each.queued;
      sum.held += each.held;
      sum.dead += each.dead;
      sum.timers += each.watermarkTimers + each.wallTimers;
      sum.state += each.stateCount;
    }
    return sum;
  }

  /** Counters over the shards of a participant that the worker owns. */
  counters(name: string): { processed: number; late: number; failures: number; duplicates: number; droppedTimers: number; timersFired: number } {
    const sum = { processed: 0, late: 0, failures: 0, duplicates: 0, droppedTimers: 0, timersFired: 0 };
    for (const { image } of this.worker.engine.shardsOf(this.planned(name))) {
      for (const each of Object.keys(sum) as (keyof typeof sum)[]) sum[each] += image.counters[each];
    }
    return sum;
  }

  /** The low watermarks as they are in force: the smallest input of the shards owned, the output that was published. */
  watermark(name: string): { input: number; output: number; status: Status } {
    const planned = this.planned(name);
    const { output, status } = this.worker.engine.reporter.published(planned.id);
    return { input: Math.min(...this.worker.engine.shardsOf(planned).map((shard) => shard.input)), output, status };
  }

  /** Kind of what holds the output of the shard that is furthest behind. */
  heldBy(name: string): string {
    const shards = this.worker.engine.shardsOf(this.planned(name));
    return shards.reduce((low, shard) => (shard.output < low.output ? shard : low)).why().kind;
  }
}
