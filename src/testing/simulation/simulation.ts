/**
 * The simulator: workers with the real engine, one store, one network and one clock in one thread, with every choice
 * taken from one tape. It looks for what breaks a promise; `store-audit.ts` says after each step, and a checker of the
 * workload's own at the end, whether one was broken.
 *
 * S1  The same tape makes the same run, step by step: `Outcome.hash` is equal.
 * S2  Time stands still while anything can happen without it.
 * S3  When the faults have stopped, everything is done within a bounded number of steps, and shards come to be where they
 *     are assigned (`settling.ts`).
 */
import { participantOf } from "../../key.ts";
import type { Random } from "../../random.ts";
import { Engine } from "../../worker/engine.ts";
import type { EngineOptions } from "../../worker/engine-options.ts";
import { makeInstances } from "../../worker/instances.ts";
import { PercentileAudit } from "./percentile-audit.ts";
import { type Place, placesAfter } from "./place.ts";
import { CONFIRMED } from "./connection.ts";
import { LossAudit } from "./loss-audit.ts";
import { Misfortune } from "./misfortune.ts";
import { Operators } from "./operators.ts";
import { SimulatedSink, type SimulatedSource } from "./simulated-edges.ts";
import { nextMoment, SLACK, standingOf } from "./moments.ts";
import { settle } from "./settling.ts";
import { isAmongOthers, leaveBehind, warmUp } from "./warm-up.ts";
import { ReportAudit } from "./report-audit.ts";
import type { Stray } from "./stray.ts";
import { PerformedEffects, SimulatedRunner } from "./simulated-effects.ts";
import type { Outcome, SimulationOptions } from "./simulation-options.ts";
import type { Plan } from "../../worker/plan.ts";
import { GrowthAudit } from "./growth-audit.ts";
import { SimulatedStore } from "./simulated-store.ts";
import { SimulatedWorker } from "./simulated-worker.ts";
import { Starts } from "./starts.ts";
import { StoreAudit } from "./store-audit.ts";
import type { StoreEffect } from "./store-request.ts";
import type { Tape } from "./tape.ts";
import { drawStrategy, type Strategy } from "./strategy.ts";
import { Trace } from "./trace.ts";
import { check, Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** Steps within which all must be done once nothing goes wrong any more. */
const CALM_STEPS = 30_000;
const START = 1_000_000;
/** ms. */
const POLL_SOON = 50;
/** Of a thousand hasty runs, in how many a worker does in one go what it can once nothing goes wrong any more. */
const BRISK = 850;
/** Of a thousand runs with several workers, how many go on until every shard is where it is assigned. */
const SETTLED = 100;

export class Simulation implements World {
  readonly options: SimulationOptions;
  readonly tape: Tape;
  readonly trace: Trace;
  /** True time, ms. */
  readonly beganAt: number;
  time: number;
  /** Something may go wrong from this step on, up to the other. */
  faultsFrom = 0;
  faultsUntil: number;
  promises = 0;
  generation = 1;
  readonly store: SimulatedStore;
  readonly strategy: Strategy;
  readonly misfortune: Misfortune;
  readonly operators: Operators | undefined;
  readonly effects = new PerformedEffects();
  readonly losses = new LossAudit((shard) => this.store.audit.ledger(shard).injected);
  workers: SimulatedWorker[] = [];
  strays: Stray[] = [];
  readonly starts = new Starts();
  readonly stopLimits = new Map<SimulatedWorker, number>();
  readonly #sinks = new Map<string, SimulatedSink>();
  /** How many things each worker can do in the step that is being chosen. */
  readonly #ready: number[] = [];
  readonly #slack: number;
  readonly #brisk: boolean;
  readonly growth: GrowthAudit | undefined;
  #grown = false;
  #steps = 0;
  #started = 0;
  #ids = 0;
  readonly #random: Random = { id: () => `x${(this.#ids += 1)}` };

  constructor(options: SimulationOptions) {
    this.options = options;
    this.tape = options.tape;
    this.trace = new Trace(options.recording);
    this.beganAt = options.startAt ?? START;
    this.time = this.beganAt;
    this.faultsUntil = options.faults.steps;
    this.strategy = drawStrategy(options.tape);
    const { hasty, leaseMs } = options.settings;
    this.#slack = hasty ? options.tape.pick([0, SLACK, SLACK]) * leaseMs : 0;
    this.#brisk = hasty && options.tape.chance(BRISK);
    this.misfortune = new Misfortune(this, options.faults);
    this.operators = options.operators && new Operators(this, options.operators);
    this.growth = options.growth && new GrowthAudit(options.growth);
    const { data, sources, settings } = options;
    const committing = (name: string) => this.workers.some((worker) => worker.name === name && worker.connection.committing);
    this.store = new SimulatedStore({
      data,
      audit: StoreAudit.of(options.growth?.plan ?? options.plan, sources, {
        effects: options.failingEffects === undefined ? undefined : this.effects,
        operators: options.operators,
      }),
      reports: ReportAudit.of(options.growth?.plan ?? options.plan),
      percentiles: PercentileAudit.of(options.growth?.plan ?? options.plan),
      trace: this.trace,
      random: this.#random,
      ...settings,
      processingTime: options.processingTime,
      growth: this.growth,
      faulty: () => this.faulty,
      committing,
    });
  }

  /** The graph of whoever starts now. */
  get plan(): Plan {
    const { growth, plan } = this.options;
    return growth !== undefined && this.#grown ? growth.plan : plan;
  }

  get faulty(): boolean {
    return this.#steps < this.faultsUntil && this.#steps >= this.faultsFrom;
  }
  get latency(): number {
    return this.faulty ? this.options.settings.latency : 0;
  }
  /** ms by which timers of workers ring late at most. */
  get slack(): number {
    const { hasty, punctual = false, leaseMs } = this.options.settings;
    if (this.faulty && punctual) return 0;
    return this.faulty || !hasty ? this.#slack : SLACK * leaseMs;
  }
  get edgeFaults(): number {
    return this.options.faults.edges;
  }
  get doubtful(): number {
    return this.options.faults.doubtful ?? 0;
  }
  get calls(): number {
    return this.options.calls?.() ?? 0;
  }
  /** Does the store lose nothing that it has confirmed? */
  get strict(): boolean {
    return this.options.faults.kinds.includes("unconfirmed");
  }
  confirmed(effect: StoreEffect): void {
    if (this.strict && CONFIRMED.has(effect.kind)) this.store.confirm(effect);
  }
  reach(place: Place, worker: SimulatedWorker): boolean {
    return this.options.trap?.(place, worker) ?? false;
  }
  heard(): void {
    const [first, ...others] = this.workers.map(({ engine }) => engine.ownership.membership.workers.join());
    if (others.some((each) => each !== first)) this.trace.saw("membership seen differently");
  }
  arrived(effect: StoreEffect, answer: unknown, name: string): void {
    const { trap, plan } = this.options;
    const worker = trap && this.workers.find((each) => each.name === name);
    if (trap === undefined || worker === undefined) return;
    const isInjector = (shard: number) => plan.participants.some(({ id, kind }) => kind === "injector" && id === participantOf(shard));
    for (const place of placesAfter(effect, answer, isInjector)) if (trap(place, worker)) return;
  }
  sourceOf(participant: string): readonly SimulatedSource[] {
    return this.options.sources.get(participant) ?? [];
  }
  sinkOf(participant: string): SimulatedSink {
    let sink = this.#sinks.get(participant);
    if (sink === undefined) this.#sinks.set(participant, (sink = new SimulatedSink()));
    return sink;
  }

  /** Runs to the end, or to the first violation; `verify` looks at what is stored at the end, and throws violations. */
  run(verify: (simulation: Simulation) => void): Outcome {
    let violation: Violation | undefined;
    try {
      leaveBehind(this);
      this.begin();
      warmUp(this);
      while (!this.store.audit.finished) {
        if (this.#steps > this.faultsUntil + CALM_STEPS)
          throw new Violation("S3 not drained", `${CALM_STEPS} steps without a fault were not enough: ${this.standing()}`);
        this.step();
      }
      this.store.audit.drained(this.store.data);
      verify(this);
      if (!this.options.settings.exclusive && this.tape.chance(SETTLED)) settle(this);
    } catch (error) {
      violation =
        error instanceof Violation
          ? error
          : new Violation("exception", error instanceof Error ? (error.stack ?? error.message) : String(error), { cause: error });
      this.trace.line(() => `VIOLATION ${violation?.message.split("\n", 1)[0]}`);
    }
    return this.outcome(violation);
  }

  /** What came of it so far. */
  outcome(violation: Violation | undefined): Outcome {
    const { hash, seen, lines } = this.trace;
    return {
      violation,
      hash,
      steps: this.#steps,
      faults: this.misfortune.struck,
      workers: this.#started,
      strategy: this.strategy.name,
      seen,
      timeline: lines,
    };
  }

  // ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One worker, or two. */
  begin(): void {
    this.start();
    if (isAmongOthers(this)) this.start();
  }

  /** Is something still to come that was decided before: an arrival, a start, an end of something outside? */
  get busy(): boolean {
    return this.strays.length > 0 || this.starts.waiting > 0 || this.promises > 0 || this.workers.length === 0 || this.workers.some((worker) => worker.busy);
  }

  get steps(): number {
    return this.#steps;
  }

  step(): void {
    const { faults } = this.options;
    this.#steps++;
    if (this.effects.violation !== undefined) throw this.effects.violation;
    if (!this.#grown && this.#steps > (this.options.growth?.at ?? Number.POSITIVE_INFINITY)) this.#grow();
    if (this.faulty && this.misfortune.strikes()) return;
    if (this.faulty && this.operators?.act()) return;
    if (this.faulty && faults.kinds.includes("lost-tail") && this.tape.chance(20)) this.store.keep();
    this.#startDue();
    let ready = 0;
    for (const stray of this.strays) if (stray.from <= this.time) ready++;
    const strays = ready;
    const { workers } = this;
    for (let i = 0; i < workers.length; i++) ready += this.#ready[i] = (workers[i] as SimulatedWorker).ready(this.time);
    if (ready === 0) return this.#advance();
    let choice = this.strategy.choose(ready, (index) => this.#actorOf(index, strays));
    this.trace.mix(choice);
    if (choice < strays) {
      this.#strayArrives(choice);
      return;
    }
    choice -= strays;
    for (let i = 0; i < workers.length; i++) {
      const worker = workers[i] as SimulatedWorker;
      const mine = this.#ready[i] as number;
      if (choice < mine) {
        worker.run(choice);
        if (this.#brisk && !this.faulty) while (this.workers.includes(worker) && worker.goesOn(this.time)) this.#steps++;
        // One that a trap has killed meanwhile has nothing more to say.
        if (worker.stopping && this.workers.includes(worker)) this.#leaveIfDone(worker);
        return;
      }
      choice -= mine;
    }
  }

  #actorOf(index: number, strays: number): number {
    let left = index - strays;
    if (left < 0) return -1;
    for (let i = 0; i < this.workers.length; i++) {
      const mine = this.#ready[i] as number;
      if (left < mine) return (this.workers[i] as SimulatedWorker).actorOf(left);
      left -= mine;
    }
    return -1;
  }

  #advance(): void {
    const at = nextMoment(this);
    if (at === Number.POSITIVE_INFINITY) throw new Violation("S3 stuck", `nothing can happen any more: ${this.standing()}`);
    this.time = Math.max(this.time, Math.ceil(at));
    this.trace.mix(this.time);
    this.trace.line(() => `── ${this.time - this.beganAt} ms`);
  }

  #startDue(): void {
    if (this.workers.length === 0 && this.starts.waiting === 0) this.starts.push(this.time);
    for (let due = this.starts.take(this.time); due !== undefined; due = this.starts.take(this.time)) {
      if (this.options.settings.exclusive && this.workers.length > 0) continue;
      this.start(due.inPlaceOf);
    }
  }

  /** New code is started beside what runs, which has to make room for it. */
  #grow(): void {
    this.#grown = true;
    this.trace.saw("graph grows");
    this.start();
  }

  outdated(worker: SimulatedWorker): void {
    const stored = this.store.data.readGraph()?.version;
    check(stored !== worker.engine.options.plan.version, "left", () => `${worker.name} leaves for another graph than ${stored}, which it runs`);
    this.trace.saw("outdated graph");
    this.trace.line(() => `${worker.name} leaves: its graph is outdated`);
    this.strays.push({ worker: worker.name, effects: [...worker.leave(), { kind: "depart" }], from: this.time });
    this.remove(worker);
    this.starts.push(this.time + this.tape.pick([0, 50]));
  }

  /** A worker starts; `inPlaceOf`: whoever starts it takes that one for dead, by name. */
  start(inPlaceOf?: string): void {
    const { plan } = this;
    const { settings, growth } = this.options;
    const stored = this.store.data.readGraph()?.version;
    if (this.#grown && stored !== plan.version) this.store.data.init(plan.stored, stored);
    const { exclusive, leaseMs, batchRecords, cacheBytes, frozen, reportEvery } = settings;
    const skew = this.faulty ? this.tape.pick([0, 0, 7, 1_500, -1_500]) : 0;
    const make = this.options.engine ?? ((options: EngineOptions) => new Engine(options));
    // Its clock is that of the engine, which is made with it.
    const { effects, tape, trace } = this;
    const runner = new SimulatedRunner({ effects, tape, trace, failing: this.options.failingEffects ?? 0, now: () => engine.now });
    const engine: Engine = make({
      plan,
      worker: this.starts.name((this.#started += 1), inPlaceOf),
      random: this.#random,
      instances: (this.#grown ? growth?.instances(runner) : this.options.instances?.(runner)) ?? makeInstances(plan, runner),
      exclusive,
      domains: this.store.data.domains,
      domainOf: (shard) => this.store.data.domainOf(shard),
      now: this.time + skew,
      leaseMs,
      batchRecords,
      cacheBytes,
      frozen,
      reportEvery,
      pollSoon: POLL_SOON,
      parkAfterDeaths: Number.POSITIVE_INFINITY,
    });
    this.trace.line(() => `${engine.options.worker} starts${inPlaceOf === undefined ? "" : ` in the place of ${inPlaceOf}`}`);
    if (this.workers.some(({ name }) => name === inPlaceOf)) this.trace.saw("place of one that lives");
    this.workers.push(new SimulatedWorker(this, engine, this.#started, skew));
  }

  /** Where everything stands, for a violation that is about nothing happening. */
  standing(): string {
    return standingOf(this.workers, this.time - this.beganAt);
  }

  // ── the store ───────────────────────────────────────────────────────────────────────────────────────────────────

  apply(worker: string, effect: StoreEffect): unknown {
    if (effect.kind === "read-heads") this.losses.looked(effect, this.store.audit);
    return this.store.apply(worker, effect, this.time);
  }

  #strayArrives(choice: number): void {
    const due = this.strays.filter((stray) => stray.from <= this.time);
    const stray = due[choice] as Stray;
    const effect = stray.effects.shift() as StoreEffect;
    if (stray.effects.length === 0) this.strays.splice(this.strays.indexOf(stray), 1);
    this.trace.saw(`stray ${effect.kind}`);
    if (stray.lost && effect.kind === "commit") this.#lostArrives(stray.worker, effect);
    else this.apply(stray.worker, effect);
  }

  /** No one who knows that the store is another sends it what fits: only what a lost grant, number or parcel makes unfit is left to find. */
  #lostArrives(worker: string, effect: Extract<StoreEffect, { readonly kind: "commit" }>): void {
    const commits = effect.commits.filter((commit) => this.store.audit.refuses(commit));
    if (commits.length > 0) this.apply(worker, { ...effect, commits });
  }

  #leaveIfDone(worker: SimulatedWorker): void {
    if (!worker.engine.drained && this.time < (this.stopLimits.get(worker) ?? 0)) return;
    const effects = worker.leave();
    this.remove(worker);
    this.trace.line(() => `${worker.name} has stopped`);
    this.trace.saw("left");
    if (this.options.settings.exclusive) for (const effect of effects) this.apply(worker.name, effect);
    else this.strays.push({ worker: worker.name, effects, from: this.time });
  }

  remove(worker: SimulatedWorker): void {
    this.losses.gone(worker.name);
    this.workers = this.workers.filter((each) => each !== worker);
  }
}
