/**
 * A pipeline under test in the simulator: several workers with the real engine, whose processes, connections and store
 * fail as one tape says. To the test it is what `PipelineTester` is: each `await` comes back when all that can be done
 * is done and committed, whatever went wrong meanwhile.
 *
 * F1  Processing time, as handlers see it, moves only by `advanceClock`; leases and failures have a time of their own.
 * F2  What goes wrong does so while an `await` is under way; before it comes back everything has healed.
 */
import { systemClock } from "../clock.ts";
import type { Graph } from "../computation/graph.ts";
import type { SourceItem } from "../injectors/injector.ts";
import { shardRef } from "../key.ts";
import type { StreamRecord } from "../record.ts";
import type { MemoryData } from "../store/memory-data.ts";
import { END } from "../time.ts";
import type { Engine } from "../worker/engine.ts";
import { decodeImage } from "../worker/image.ts";
import { makeInstances } from "../worker/instances.ts";
import type { Plan } from "../worker/plan.ts";
import { type Misuse, watched } from "./misuse.ts";
import { RecordedEffects } from "./recorded-effects.ts";
import { type Faults, swarm } from "./simulation/faults.ts";
import type { Place } from "./simulation/place.ts";
import type { SimulatedItem, SimulatedSource } from "./simulation/simulated-edges.ts";
import type { SimulatedWorker } from "./simulation/simulated-worker.ts";
import { Simulation } from "./simulation/simulation.ts";
import type { Tape } from "./simulation/tape.ts";
import { Violation } from "./simulation/violation.ts";
import { type CrashOptions, tapOf, Tester, type TesterOptions } from "./tester.ts";

/** ms. Short, so that what was lost is soon taken over. */
const LEASE = 60;
/** ms of true time in which nothing has changed, after which nothing will. */
const QUIET = 3 * LEASE;
/** Steps that one `await` may take. */
const MOST_STEPS = 200_000;
/** Where a crash that waits for the next commit happens. */
const CRASH_PLACES: Readonly<Record<Exclude<CrashOptions["at"], "now" | undefined>, Place>> = { "before-commit": "K3", "after-commit": "K5" };

/** One injector, as the simulator reads it and the test fills it. */
class Pushed implements SimulatedSource {
  readonly items: SimulatedItem[] = [];
  open = true;
  #promised = -1;

  add(item: Omit<SourceItem, "position">): void {
    if (item.mark === true) this.#promised = Math.max(this.#promised, item.watermark ?? -1);
    this.items.push({ item: { ...item, position: this.items.length + 1 }, arrival: 0, promise: this.#promised });
  }
}

/** Of an injector, as it is stored. */
interface Checkpoint {
  readonly position?: number;
  readonly done?: boolean;
}

export interface FaultySetting {
  /** As staged: nothing of its edges is ever opened here, the simulator has its own. */
  readonly graph: Graph;
  readonly plan: Plan;
  /** A store in which the plan's graph is stored, and nothing else. */
  readonly data: MemoryData;
  readonly tape: Tape;
  readonly options: TesterOptions;
  readonly recording: boolean;
  /** May the store lose its last commits? */
  readonly losesTail: boolean;
  readonly misuse: Misuse;
}

export class FaultyTester extends Tester {
  readonly simulation: Simulation;
  readonly #sources: ReadonlyMap<string, Pushed>;
  readonly #faults: Faults;
  protected readonly plan: Plan;
  protected readonly recordedEffects: RecordedEffects;
  #now: number;
  #resting: Promise<void> | undefined = undefined;
  #crashPlace: Place | undefined = undefined;

  constructor({ graph, plan, data, tape, options, recording, losesTail, misuse }: FaultySetting) {
    super(graph);
    this.plan = plan;
    this.#now = options.now as number;
    this.recordedEffects = new RecordedEffects(graph, options.effects ?? "record", systemClock);
    this.#sources = new Map(graph.participants.filter(({ kind }) => kind === "injector").map(({ name }) => [name, new Pushed()]));
    const drawn = swarm(tape, false, false);
    // Processing time is the test's, so the store's clock has no faults.
    this.#faults = { ...drawn, kinds: drawn.kinds.filter((kind) => kind !== "store-clock" && (kind !== "lost-tail" || losesTail)) };
    const batchRecords = tape.pick([256, 8, 1]);
    this.simulation = new Simulation({
      plan,
      data,
      sources: new Map([...this.#sources].map(([name, source]) => [name, [source]])),
      tape,
      settings: {
        exclusive: false,
        leaseMs: LEASE,
        batchRecords: options.batchRecords ?? batchRecords,
        cacheBytes: tape.pick([1 << 28, 1 << 28, 0]),
        frozen: true,
        reportEvery: 2,
        recover: { timers: 10_000, holds: 10_000 },
        latency: tape.pick([0, 0, 4]),
        hasty: false,
      },
      faults: this.#faults,
      startAt: this.#now,
      processingTime: () => this.#now,
      trap: (place, worker) => this.#trap(place, worker),
      recording,
      instances: () => watched(makeInstances(plan, this.recordedEffects), plan, this.simulation.trace, misuse),
    });
    this.simulation.faultsUntil = 0;
    this.simulation.begin();
  }

  // ── what a tester needs ─────────────────────────────────────────────────────────────────────────────────────────

  protected get data(): MemoryData {
    return this.simulation.store.data;
  }
  protected get engines(): readonly Engine[] {
    return this.simulation.workers.map(({ engine }) => engine);
  }
  protected get now(): number {
    return this.#now;
  }
  protected carried(stream: string): readonly StreamRecord<unknown>[] | undefined {
    const tap = this.plan.participants.find(({ name }) => name === tapOf(stream));
    if (tap === undefined) return undefined;
    const written = Array.from({ length: tap.shards }, (_, index) => {
      const [stored] = this.data.recover([shardRef(tap.id, index)], { timers: 0, holds: 0 });
      const checkpoint = stored?.image === undefined ? 0 : ((decodeImage(stored.image).checkpoint as number | undefined) ?? 0);
      return this.simulation.sinkOf(tap.name).upTo(checkpoint);
    });
    return written.flat();
  }
  protected inject(injector: string, value: unknown, { at, id }: { readonly at: number; readonly id?: string | undefined }): void {
    this.#sources.get(injector)?.add({ value, timestamp: at, id });
  }
  protected promise(injector: string, watermark: number): void {
    this.#sources.get(injector)?.add({ value: undefined, mark: true, watermark: Math.min(watermark, END) });
  }
  protected end(injector: string): void {
    const source = this.#sources.get(injector);
    if (source !== undefined) source.open = false;
  }

  protected async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.rest();
    for (let due = this.#nextWallTimer(); due <= until; due = this.#nextWallTimer()) {
      if (due <= this.#now) break;
      this.#now = due;
      await this.rest();
    }
    this.#now = until;
    await this.rest();
  }

  #nextWallTimer(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { id, shards, kind } of this.plan.participants) {
      if (kind !== "computation") continue;
      for (let index = 0; index < shards; index++) {
        const [first] = this.data.readTimers(shardRef(id, index), "wall", 1);
        if (first !== undefined && first.time > this.#now) next = Math.min(next, first.time);
      }
    }
    return next;
  }

  override async crash({ at = "now" }: CrashOptions = {}): Promise<void> {
    if (at !== "now") this.#crashPlace = CRASH_PLACES[at];
    else {
      const [worker] = this.simulation.workers;
      if (worker !== undefined) this.#kill(worker);
      await this.rest();
    }
  }

  #trap(place: Place, worker: SimulatedWorker): boolean {
    if (place !== this.#crashPlace) return false;
    this.#crashPlace = undefined;
    this.#kill(worker, 0);
    return true;
  }

  /** `applied`: how many of its requests still arrive; by default the tape says. */
  #kill(worker: SimulatedWorker, applied?: number): void {
    this.simulation.trace.line(() => `FAULT ${worker.name} crashes, as the test asks`);
    this.simulation.misfortune.crash(worker, applied);
  }

  /** Calls that overlap wait for the same rest: what they have pushed comes in together. */
  protected rest(): Promise<void> {
    this.#resting ??= this.#rest().finally(() => (this.#resting = undefined));
    return this.#resting;
  }

  async #rest(): Promise<void> {
    // What is pushed in the same turn comes in together.
    await Promise.resolve();
    const { simulation } = this;
    const { store, tape } = simulation;
    simulation.faultsUntil = simulation.steps + (this.#faults.kinds.length === 0 ? 0 : tape.pick([0, 40, 100, 250]));
    const most = simulation.steps + MOST_STEPS;
    let changes = store.changes;
    let since = simulation.time;
    for (;;) {
      simulation.step();
      if (simulation.promises > 0) await new Promise<void>((resolve) => systemClock.soon(resolve));
      if (simulation.steps > most) throw new Violation("does not come to rest", simulation.standing());
      const quiet = store.changes === changes && !simulation.faulty && !simulation.busy;
      if (quiet && simulation.time - since <= QUIET) continue;
      // What is left to do is looked for where nothing else tells: it takes all shards.
      if (quiet && this.#allDone()) return;
      changes = store.changes;
      since = simulation.time;
    }
  }

  /** Has no injector more to give, and no failed record or timer more tries? */
  #allDone(): boolean {
    const { data } = this;
    for (const { id, name, shards, kind } of this.plan.participants) {
      const source = this.#sources.get(name);
      for (let index = 0; index < shards; index++) {
        const shard = shardRef(id, index);
        if (kind === "computation" && data.summarize([shard]).some(({ queued, held }) => queued > 0 || held > 0)) return false;
        if (source === undefined) continue;
        const [stored] = data.recover([shard], { timers: 0, holds: 0 });
        const { position = 0, done = false } = (stored?.image === undefined ? {} : (decodeImage(stored.image).checkpoint ?? {})) as Checkpoint;
        if (position < source.items.length || done === source.open) return false;
      }
    }
    return true;
  }
}
