/**
 * Those who ask something of workers while they run: operators who have dead letters tried again or discarded, as
 * `worker/dead-letters.ts` does it, or timers moved, fired or deleted (`operated-timers.ts` here), and requests that wait until all that comes of their records is committed. When, and
 * what, is on the tape.
 */
import { type ShardRef, shardRef } from "../../key.ts";
import type { Numbered } from "../../store/commit.ts";
import type { ShardProgress } from "../../store/store.ts";
import { Barrier, downstreamOf } from "../../worker/barrier.ts";
import { apply } from "../../worker/dead-letters.ts";
import { decodeImage } from "../../worker/image.ts";
import type { InjectorShard } from "../../worker/injector-shard.ts";
import type { PlannedInjector } from "../../worker/plan.ts";
import { StoredBarrier } from "../../worker/stored-barrier.ts";
import type { CallsOf } from "./command-audit.ts";
import { askOfTimer } from "./operated-timers.ts";
import type { SimulatedWorker } from "./simulated-worker.ts";
import type { Simulation } from "./simulation.ts";

export interface OperatorSettings {
  /** Of a thousand steps in which there are dead letters, in how many one of them is acted on. */
  readonly letters: number;
  /** Of a thousand steps, in how many a barrier is set, while there are fewer than `MOST_BARRIERS`. */
  readonly barriers: number;
  /** Of a thousand steps, in how many something is asked of a timer. */
  readonly timers: number;
  /** Names of timers that are left alone. */
  readonly spared?: readonly string[];
  /** What is committed, for whoever looks at it when a barrier was passed. */
  readonly committed?: (() => unknown) | undefined;
  readonly callsOf?: CallsOf | undefined;
}

/** A barrier that said that all is committed that comes of these items: of one partition, after position `from` up to `to`. */
export interface PassedBarrier {
  readonly injector: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  /** How often the store had lost its tail when it was set. */
  readonly losses: number;
  /** What `committed` gave then. */
  readonly committed: unknown;
}

interface Watched {
  readonly worker: SimulatedWorker;
  readonly planned: PlannedInjector;
  readonly partition: number;
  readonly from: number;
  readonly losses: number;
  to: number | undefined;
  looks: number;
}
/** By what the worker that owns everything downstream remembers. */
interface WatchedHere extends Watched {
  readonly shard: InjectorShard;
  readonly barrier: Barrier;
}
/** By what is stored. */
interface WatchedStored extends Watched {
  readonly barrier: StoredBarrier;
}

/** ms for which someone waits for a call to be under way. */
const PATIENCE = 800;
const MOST_BARRIERS = 6;
/** Looks of one barrier, after which nobody waits any more. */
const LOOKS = 40;
/** The same of one that goes by what is stored: each stage takes it one at least. */
const STORED_LOOKS = 40;

export class Operators {
  readonly #simulation: Simulation;
  readonly #settings: OperatorSettings;
  readonly passed: PassedBarrier[] = [];
  #barriers = 0;

  constructor(simulation: Simulation, settings: OperatorSettings) {
    this.#simulation = simulation;
    this.#settings = settings;
  }

  /** Does one of them something now, in the place of a step? */
  act(): boolean {
    const { tape, workers, store } = this.#simulation;
    const { letters, barriers, timers } = this.#settings;
    if (workers.length === 0) return false;
    if (letters > 0 && store.audit.letters > 0 && tape.chance(letters)) {
      const shard = tape.pick(store.audit.withLetters);
      const owners = workers.filter(({ engine }) => engine.computation(shard) !== undefined);
      if (owners.length > 0) this.#ask(tape.pick(owners), shard);
      return owners.length > 0;
    }
    if (barriers > 0 && this.#barriers < MOST_BARRIERS && tape.chance(barriers)) return this.#set();
    return timers > 0 && tape.chance(timers) && askOfTimer(this.#simulation, this.#settings.spared ?? []);
  }

  // ── dead letters ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The letter is read first; by the time that it is here, its shard may be another's. */
  #ask(worker: SimulatedWorker, shard: ShardRef): void {
    const { tape, store, time, trace } = this.#simulation;
    const letter = tape.pick(store.data.readDeadLetters(shard, 1_000));
    const fate = tape.choose(3) < 2 ? "revived" : "discarded";
    const at = time + tape.pick([0, 0, 5, 300]);
    const owner = worker.engine.computation(shard);
    // Or just when a call is under way that has not been set aside: it will be, behind the letter, if they are of one key.
    const calling = () => owner !== undefined && [...owner.underWay].some(({ held }) => held === undefined);
    const from = tape.choose(5) > 0 ? () => (calling() ? Math.min(at + PATIENCE, this.#simulation.time) : at + PATIENCE) : at;
    trace.line(() => `operator asks ${worker.name} that dead letter ${letter.id} of ${shard} be ${fate}`);
    worker.ask(`hears of dead letter ${letter.id}`, from, () => {
      if (owner !== undefined && worker.engine.computation(shard) === owner) this.#act(worker, shard, letter, fate);
    });
  }

  #act(worker: SimulatedWorker, shard: ShardRef, letter: Numbered, fate: "revived" | "discarded"): void {
    const { tape, store, trace, faulty, misfortune, options } = this.#simulation;
    const owner = worker.engine.computation(shard);
    if (owner === undefined) return;
    const refused = apply(fate === "revived" ? "retry" : "discard", owner, letter);
    if (refused !== undefined) return;
    store.audit.asked(shard, owner.sequencer, letter.id, fate);
    const next = faulty ? tape.choose(6) : 0;
    if (next === 4 && options.faults.kinds.includes("crash")) {
      trace.line(() => `FAULT ${worker.name} crashes with a letter in its hands`);
      misfortune.crash(worker);
    } else if (next === 5 && options.faults.kinds.includes("stall")) {
      trace.line(() => `FAULT ${worker.name} stalls with a letter in its hands`);
      misfortune.replaced(worker);
    }
  }

  // ── barriers ────────────────────────────────────────────────────────────────────────────────────────────────────

  #set(): boolean {
    const { tape, options, trace, workers } = this.#simulation;
    if (tape.choose(2) === 1) return this.#setStored();
    const injectors = options.plan.participants.filter((each): each is PlannedInjector => each.kind === "injector");
    const planned = tape.pick(injectors);
    const partition = tape.choose(planned.shards);
    const worker = workers.find(({ engine, stopping }) => !stopping && engine.injector(shardRef(planned.id, partition)) !== undefined);
    const shard = worker?.engine.injector(shardRef(planned.id, partition));
    if (worker === undefined || shard === undefined || !this.#comes(planned, partition)) return false;
    const ownsAll = downstreamOf(options.plan.participants, planned).every((stage) => worker.engine.shardsOf(stage).length === stage.shards);
    if (!ownsAll && tape.choose(4) > 0) return this.#setStored();
    this.#barriers++;
    const barrier = new Barrier(worker.engine, planned);
    // What is on its way may have arrived already, and something of it may stand aside: it is included, or all is meant that comes behind it.
    const { inFlight } = shard;
    const behind = inFlight !== undefined && tape.choose(2) === 1;
    if (inFlight !== undefined && !behind) barrier.includeEarlier();
    const from = behind ? positionIn(inFlight.image) : this.#positionOf(shard.ref);
    trace.line(() => `${worker.name} sets a barrier behind what ${planned.name}[${partition}] injects from here on`);
    this.#lookSoon({ worker, planned, partition, shard, barrier, from, losses: this.#losses, to: undefined, looks: 0 });
    return true;
  }

  /** Is there anything still to be injected? */
  #comes({ id, name }: PlannedInjector, partition: number): boolean {
    return this.#positionOf(shardRef(id, partition)) < (this.#simulation.sourceOf(name)[partition]?.items.length ?? 0);
  }

  #positionOf(shard: ShardRef): number {
    const image = this.#simulation.store.data.recover([shard], { timers: 0, holds: 0 })[0]?.image;
    return image === undefined ? 0 : positionIn(image);
  }

  #lookSoon(watched: WatchedHere): void {
    const { tape, time, faulty } = this.#simulation;
    const at = time + (faulty ? tape.pick([30, 2, 100, 400]) : 50);
    if (watched.looks++ < LOOKS) watched.worker.ask("looks at a barrier", this.#changed(watched.worker, at), () => this.#look(watched));
  }

  /** At this time, or, often, as soon as the worker has heard what became of a commit: just when what a barrier goes by has changed. */
  #changed(worker: SimulatedWorker, at: number): () => number {
    const { tape, faulty } = this.#simulation;
    const heard = faulty && tape.choose(4) > 0 ? worker.commitsAnswered : Number.POSITIVE_INFINITY;
    return () => (worker.commitsAnswered > heard ? Math.min(at, this.#simulation.time) : at);
  }

  #look(watched: WatchedHere): void {
    const { worker, shard, barrier, from } = watched;
    const { trace } = this.#simulation;
    if (watched.to === undefined) {
      if (worker.engine.injector(shard.ref) !== shard) {
        trace.saw("barrier lost");
        return;
      }
      // Only what is known to be committed is waited for.
      const position = shard.inFlight === undefined ? this.#positionOf(shard.ref) : from;
      if (position <= from || !this.#simulation.store.audit.owns(shard.ref, shard.sequencer)) return this.#lookSoon(watched);
      watched.to = position;
    }
    const state = barrier.look();
    if (state === "waiting") return this.#lookSoon(watched);
    trace.saw(`barrier ${state}`);
    trace.line(() => `${worker.name}'s barrier behind ${watched.planned.name}[${watched.partition}] is ${state}, items ${from + 1} to ${watched.to}`);
    if (state === "passed") this.#pass(watched, watched.to);
  }

  #pass({ planned, partition, from, losses }: Watched, to: number): void {
    this.passed.push({ injector: planned.name, partition, from, to, losses, committed: this.#settings.committed?.() });
  }

  /** Any worker may, whatever it owns. */
  #setStored(): boolean {
    const { tape, options, trace, workers, store, generation } = this.#simulation;
    const { participants } = options.plan;
    const planned = tape.pick(participants.filter((each): each is PlannedInjector => each.kind === "injector"));
    const partition = tape.choose(planned.shards);
    const worker = tape.pick(workers);
    if (!this.#comes(planned, partition)) return false;
    this.#barriers++;
    const before = tape.choose(4) === 0 ? [] : store.data.readProgress(StoredBarrier.shards(participants, planned));
    const barrier = new StoredBarrier(participants, planned, generation, before);
    const from = this.#positionOf(shardRef(planned.id, partition));
    trace.line(() => `${worker.name} sets a stored barrier behind what ${planned.name}[${partition}] injects from ${from + 1} on`);
    this.#askSoon({ worker, planned, partition, barrier, from, losses: this.#losses, to: undefined, looks: 0 });
    return true;
  }

  /** What the store tells of a shard is of one moment, of another shard of another, and is heard of later still. */
  #askSoon(watched: WatchedStored): void {
    const { tape, faulty } = this.#simulation;
    const { worker } = watched;
    const soon = () => this.#simulation.time + (faulty ? tape.pick([2, 0, 2, 5, 5, 30, 200]) : 20);
    if (watched.looks++ >= STORED_LOOKS) return;
    worker.ask("asks how far a barrier is", soon(), () => {
      const { store, generation } = this.#simulation;
      const position = this.#positionOf(shardRef(watched.planned.id, watched.partition));
      if (watched.to === undefined && position <= watched.from) return this.#askSoon(watched);
      watched.to ??= position;
      const wanted = watched.barrier.wants();
      const cut = tape.choose(2) === 1 ? 0 : tape.choose(wanted.length);
      const [first, last] = [wanted.slice(cut), wanted.slice(0, cut)];
      const told = store.data.readProgress(first);
      worker.ask("asks how far the rest of a barrier is", last.length > 0 ? this.#changed(worker, soon()) : this.#simulation.time, () => {
        const all = new Map([...told, ...this.#simulation.store.data.readProgress(last)].map((each) => [each.shard, each]));
        worker.ask("hears how far a barrier is", soon(), () => this.#heard(watched, all, generation));
      });
    });
  }

  #heard(watched: WatchedStored, told: ReadonlyMap<ShardRef, ShardProgress>, generation: number): void {
    const { trace } = this.#simulation;
    const { barrier, worker, planned, partition, from, to } = watched;
    barrier.tell(told, generation);
    const { state } = barrier;
    if (state === "waiting" || to === undefined) return this.#askSoon(watched);
    trace.saw(`stored barrier ${state}`);
    trace.line(() => `${worker.name}'s stored barrier behind ${planned.name}[${partition}] is ${state}, items ${from + 1} to ${to}`);
    if (state === "passed") this.#pass(watched, to);
  }

  get #losses(): number {
    return this.#simulation.trace.seen.get("tail lost") ?? 0;
  }

  /** Those whose store has lost nothing since. */
  get standing(): readonly PassedBarrier[] {
    return this.passed.filter(({ losses }) => losses === this.#losses);
  }
}

/** In a source, of an injector's image. */
function positionIn(image: Uint8Array): number {
  return (decodeImage(image).checkpoint as { readonly position?: number } | undefined)?.position ?? 0;
}
