/**
 * One worker of a simulation: the real engine, its connection to the store, its sources, sinks and running handlers.
 * It does what `worker/driver.ts` does, but one thing at a time, each when the tape says so.
 */
import { END } from "../../time.ts";
import type { CommitReply, ShardSummary } from "../../store/store.ts";
import type { Effect } from "../../worker/effect.ts";
import type { Engine } from "../../worker/engine.ts";
import { GraphChangedError } from "../../worker/plan.ts";
import { Later } from "./later.ts";
import { Lines } from "./lines.ts";
import { describe, name, type StoreEffect, tell } from "./store-request.ts";
import { check, Violation } from "./violation.ts";
import { WorkerEdges } from "./worker-edges.ts";
import type { World } from "./world.ts";

/** Something outside that takes its time: `run` once it is `from`. */
interface Task {
  readonly what: string;
  /** True time. */
  readonly from: () => number;
  readonly run: () => void;
}
/** Turns in a row without any effect, each of which asks for another at once, after which the worker counts as spinning. */
const SPINS = 200;
/** Turns between two looks at what holds the watermarks. */
const ASK_WHY = 16;

export class SimulatedWorker {
  readonly name: string;
  readonly index: number;
  readonly engine: Engine;
  readonly #world: World;
  /** Its clock less the true time, ms. */
  skew: number;
  stalledUntil = 0;
  /** ms. */
  longestStall = 0;
  stopping = false;
  /** Answers to commits that it has heard. */
  commitsAnswered = 0;
  /** The generation of the store that the engine knows of. */
  #known: number;
  #wants = true;
  /** As the engine said after its last turn: until the next one nothing changes it but what also asks for a turn. */
  #wakeAt = 0;
  #restUntil = 0;
  #spins = 0;
  #turns = 0;
  #tasks: Task[] = [];
  readonly connection: Lines;
  readonly #edges: WorkerEdges;

  constructor(world: World, engine: Engine, index: number, skew: number) {
    this.#world = world;
    this.engine = engine;
    this.name = engine.options.worker;
    this.index = index;
    this.skew = skew;
    this.#known = world.generation;
    this.connection = new Lines(world, this.name, engine.options.domains, engine.options.domainOf);
    this.#edges = new WorkerEdges(engine, world, (what, from, run) => this.#later(what, from, run));
    engine.start(this.now);
  }

  /** Has it stalled for longer than its leases? */
  get #slept(): boolean {
    return this.longestStall >= this.engine.options.leaseMs;
  }

  get now(): number {
    return this.#world.time + this.skew;
  }

  // ── what can happen next ────────────────────────────────────────────────────────────────────────────────────────

  /** How many things can happen now: `run` takes one of them, by its number. */
  ready(time: number): number {
    let ready = this.connection.nextArrival <= time ? 1 : 0;
    if (this.stalledUntil > time) return ready;
    if (this.#turnWanted(time)) ready++;
    if (this.connection.nextAnswer <= time) ready++;
    for (const task of this.#tasks) if (task.from() <= time) ready++;
    return ready;
  }

  run(choice: number): void {
    const { time } = this.#world;
    let left = choice;
    if (this.stalledUntil <= time) {
      if (this.#turnWanted(time) && left-- === 0) return this.#turn();
      if (this.connection.nextAnswer <= time && left-- === 0) return this.#answer();
    }
    if (this.connection.nextArrival <= time && left-- === 0) return this.connection.arrive();
    for (const task of this.#tasks) {
      if (task.from() > time || left-- > 0) continue;
      this.#tasks.splice(this.#tasks.indexOf(task), 1);
      return this.#outside(task);
    }
  }

  /** Who does the thing of this number, for a strategy: the worker's engine, the answers to it, its requests, what is outside. */
  actorOf(choice: number): number {
    const { time } = this.#world;
    const of = 4 * this.index;
    let left = choice;
    if (this.stalledUntil <= time) {
      if (this.#turnWanted(time) && left-- === 0) return of;
      if (this.connection.nextAnswer <= time && left-- === 0) return of + 1;
    }
    return this.connection.nextArrival <= time && left === 0 ? of + 2 : of + 3;
  }

  #turnWanted(time: number): boolean {
    return this.#restUntil <= time && (this.#wants || this.#wakeAt <= time + this.skew);
  }

  /** Is something under way that comes to its end by itself: outside, or a stall? */
  get busy(): boolean {
    return this.stalledUntil > this.#world.time || this.stopping || this.#tasks.some((task) => task.from() < Number.POSITIVE_INFINITY);
  }

  /**
   * Everything that its requests and their answers still do at this moment, and its turn after them; one thing, and false where
   * there is none any more.
   */
  goesOn(time: number): boolean {
    if (this.connection.nextArrival <= time) this.connection.arrive();
    else if (this.stalledUntil > time) return false;
    else if (this.connection.nextAnswer <= time) this.#answer();
    else {
      if (this.#turnWanted(time)) this.#turn();
      return false;
    }
    return true;
  }

  /** The next true time at which something can happen by itself: not counting `wakesAt`. */
  nextAt(): number {
    let mine = this.#wants ? this.#restUntil : Number.POSITIVE_INFINITY;
    mine = Math.min(mine, this.connection.nextAnswer);
    for (const task of this.#tasks) mine = Math.min(mine, task.from());
    return Math.min(this.connection.nextArrival, Math.max(mine, this.stalledUntil));
  }

  /** The true time at which its own timers want a turn. */
  wakesAt(): number {
    return Math.max(this.#wakeAt - this.skew, this.#restUntil, this.stalledUntil);
  }

  // ── turns ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #turn(): void {
    const { trace, generation } = this.#world;
    trace.mix(1);
    this.#wants = false;
    if (!this.connection.down && this.#known !== generation) this.#loseAll(generation);
    const { calls } = this.#world;
    const more = this.engine.turn(this.now);
    const effects = this.engine.takeEffects();
    const ran = this.#world.calls > calls;
    if (ran && this.#world.reach("K2", this)) this.#putOff(effects);
    else if (effects.some(({ kind }) => kind === "commit") && this.#world.reach("K3", this)) this.#putOff(effects);
    else for (const effect of effects) this.#carryOut(effect);
    if (effects.length > 0) this.#spins = 0;
    if (++this.#turns % ASK_WHY === 0) this.#askWhy();
    if (this.#known === generation && !this.engine.lostTails.looking) this.#world.losses.goesOn(this.name);
    this.#wakeAt = this.engine.wakeAt();
    const again = more || this.#wakeAt <= this.now;
    if (!again) return;
    this.#wants = true;
    if (effects.length > 0) return;
    // A turn that did nothing and wants another at once: a core kept busy by nothing, if it goes on.
    this.#restUntil = this.#world.time + 1;
    if (++this.#spins > SPINS) throw new Violation("spins", `worker ${this.name} asked for ${this.#spins} turns in a row and did nothing in them`);
  }

  /** Does each shard name something that holds its watermark where it is? */
  #askWhy(): void {
    for (const shard of this.engine.shards.values()) {
      const { kind, at } = shard.why();
      check(at === shard.output, "why", () => `${name(shard.ref)} of ${this.name} stands at ${shard.output}, but names ${kind} at ${at}`);
      check((kind === "end") === (shard.output === END), "why", () => `${name(shard.ref)} of ${this.name} stands at ${shard.output} because of ${kind}`);
    }
  }

  /** The worker stands still before it does what it has decided; one that is gone never does it. */
  #putOff(effects: readonly Effect[]): void {
    const from = () => Math.max(this.stalledUntil, this.#world.time);
    this.#later("goes on where it stood", from, () => {
      for (const effect of effects) this.#carryOut(effect);
    });
  }

  /** After anything was told to the engine. */
  #told(): void {
    this.#wants = true;
    this.#restUntil = 0;
  }

  /** The connection is to another store than before: no request may reach it that what is remembered has led to. */
  #loseAll(generation: number): void {
    this.#known = generation;
    this.#world.trace.line(() => `${this.name} notices that the store is another`);
    this.#world.trace.saw("store is another");
    this.engine.loseAll();
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case "await":
        if (effect.promise instanceof Later) this.#await(effect.promise, effect.settled);
        else this.#awaitPromise(effect.promise, effect.settled);
        break;
      case "open-source":
      case "pull":
      case "confirm":
      case "open-sink":
      case "write-sink":
      case "close-edge":
        this.#edges.carryOut(effect);
        break;
      case "log":
        this.#world.trace.line(() => `${this.name} says: ${effect.text}`);
        break;
      case "finished":
        this.#world.trace.line(() => `${this.name} has finished`);
        break;
      case "failed":
        if (effect.error instanceof GraphChangedError) {
          this.#world.outdated(this);
          break;
        }
        throw new Violation("failed", `worker ${this.name} gave up: ${effect.error instanceof Error ? effect.error.stack : String(effect.error)}`);
      default:
        this.#send(effect);
    }
  }

  // ── the connection ──────────────────────────────────────────────────────────────────────────────────────────────

  #send(effect: StoreEffect): void {
    this.#world.trace.line(() => `${this.name} → ${describe(effect)}`);
    this.connection.send(effect);
    if (effect.kind === "release") {
      this.#world.trace.saw("handed over");
      this.#world.losses.gave(this.name, effect.leases);
    }
    if (effect.kind === "commit") this.#world.reach(this.stopping ? "K13" : "K4", this);
    else if (effect.kind === "deliver") this.#world.reach("K14", this);
    else if (effect.kind === "read-state") this.#world.reach("K1", this);
  }

  #answer(): void {
    const { effect, value } = this.connection.answer();
    const { trace } = this.#world;
    trace.mix(2);
    trace.line(() => `${this.name} ← ${value === undefined && effect.kind !== "release" ? "no answer to " : ""}${describe(effect)}`);
    if (effect.kind === "commit") this.commitsAnswered++;
    if (value === undefined) trace.saw(`unanswered ${effect.kind}`);
    else if (effect.kind === "commit" && this.#slept && (value as CommitReply).outcomes.includes("fenced")) trace.saw("zombie");
    if (value !== undefined) this.#world.confirmed(effect);
    this.#world.losses.answering(this.name, this.engine, effect, value);
    tell(this.engine, effect, value, this.now);
    if (effect.kind === "read-heads" && value !== undefined) this.#looked(effect, value as ShardSummary[]);
    this.#told();
    if (effect.kind === "announce") this.#world.heard();
    // By such an answer its shards begin.
    if (effect.kind === "report" && value !== undefined) this.#world.store.reports.checkInputs(this.name, this.engine.shards.values());
    if (value !== undefined && effect.kind === "acquire") this.#world.reach("K0", this);
    else if (value !== undefined && effect.kind === "commit") this.#world.reach("K6", this);
    else if (value !== undefined && effect.kind === "deliver") this.#world.reach("K16", this);
  }

  #looked(effect: StoreEffect & { readonly kind: "read-heads" }, heads: readonly ShardSummary[]): void {
    this.#world.losses.accounted(this.name, this.engine, effect, heads);
    const { tails } = this.engine.lostTails.counted;
    check(!this.#world.strict || tails === 0, "L4 lost though confirmed", () => `${this.name}: ${JSON.stringify(this.engine.lostTails.found.at(-1))}`);
    const loss = this.engine.lostTails.found.at(-1);
    if (tails === 0 || loss === undefined) return;
    this.#world.trace.saw("loss accounted for");
    if (loss.shards.some(({ exact }) => !exact)) this.#world.trace.saw("loss not exactly known");
    if (loss.confirmed.some(({ ids }) => ids.length > 0)) this.#world.trace.saw("confirmed records lost");
  }

  /** Something outside asks something of it, and gets its turn when the tape says so, from a moment on. */
  ask(what: string, from: number | (() => number), run: () => void): void {
    this.#later(what, typeof from === "number" ? () => from : from, run);
  }

  /** Gives its shards up, as `Driver.stop` does at its end; gives what it still had to say to the store. */
  leave(): StoreEffect[] {
    const { engine } = this;
    const leases = engine.ownership.leases();
    for (const shard of engine.shards.values()) shard.close();
    const departs = engine.takeEffects().filter((effect) => effect.kind === "depart");
    return [...this.connection.underWay, ...departs, { kind: "release", leases }];
  }

  // ── user code and the outside ───────────────────────────────────────────────────────────────────────────────────

  #later(what: string, from: () => number, run: () => void): void {
    this.#tasks.push({ what, from, run });
  }

  #outside(task: Task): void {
    this.#world.trace.mix(3);
    this.#world.trace.line(() => `${this.name} ${task.what}`);
    task.run();
    this.#told();
  }

  /** A handler of the user's: when its promise settles is not the tape's to say, only when the engine hears of it. */
  #awaitPromise(promise: PromiseLike<unknown>, settled: (error: unknown, failed: boolean) => void): void {
    const world = this.#world;
    world.promises++;
    const after = (error: unknown, failed: boolean) => {
      world.promises--;
      const from = world.time + (world.faulty ? world.tape.pick([0, 0, 1, 5, 30]) : 0);
      this.#later(
        "goes on with a handler",
        () => from,
        () => settled(error, failed),
      );
    };
    void promise.then(
      () => after(undefined, false),
      (error: unknown) => after(error, true),
    );
  }

  #await(later: Later<unknown>, settled: (error: unknown, failed: boolean) => void): void {
    const { tape, time, faulty } = this.#world;
    const wait = faulty ? tape.pick([0, 0, 1, 5, 30, 300]) : 0;
    this.#later(
      "goes on with a handler",
      () => time + wait,
      () => {
        let next: unknown;
        try {
          next = later.resume();
        } catch (error) {
          settled(error, true);
          return;
        }
        if (next instanceof Later) this.#await(next, settled);
        else settled(undefined, false);
      },
    );
  }
}
