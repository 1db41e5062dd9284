/** What goes wrong in a simulation, and whom it hits: carries out the faults of `faults.ts`. */
import { NewerDataError } from "../../errors.ts";
import type { FaultKind, Faults } from "./faults.ts";
import type { SimulatedWorker } from "./simulated-worker.ts";
import type { Simulation } from "./simulation.ts";
import type { Stray } from "./stray.ts";

/** Live workers at once. */
const WORKERS = 3;
/** A stall or jump of this much can time a handler out; few a run, so that no record fails too often by bad luck. */
const LONG = 1_000;
const LONG_MOST = 4;
const STOP_LIMIT = 5_000;
/** How much more likely a fault is while an adversary has someone to hit. */
const ADVERSITY = 4;

/** Leases after a crash, of one that is started in the dead one's place: at once mostly; or when others have taken over. */
const IN_PLACE = [0, 2];

export class Misfortune {
  readonly #simulation: Simulation;
  readonly #faults: Faults;
  /** Faults so far. */
  struck = 0;
  #long = 0;
  /** Workers that leave something to others. */
  readonly #outdated = new Set<SimulatedWorker>();

  constructor(simulation: Simulation, faults: Faults) {
    this.#simulation = simulation;
    this.#faults = faults;
  }

  /** Does a fault happen now, in the place of a step? */
  strikes(): boolean {
    const { kinds, perMille } = this.#faults;
    const likely = this.#victims().length > 0 ? ADVERSITY * perMille : perMille;
    if (kinds.length === 0 || !this.#simulation.tape.chance(likely)) return false;
    this.struck++;
    this.#fault();
    return true;
  }

  #fault(): void {
    const { tape } = this.#simulation;
    const kind = tape.pick(this.#faults.kinds);
    this.#simulation.trace.mixText(kind);
    this.#simulation.trace.saw(kind);
    const victims = this.#victims();
    const worker = this.#simulation.workers.length === 0 ? undefined : tape.pick(victims.length > 0 ? victims : this.#simulation.workers);
    if (kind === "join") {
      if (this.#simulation.workers.length >= WORKERS) return;
      this.#simulation.trace.line(() => "FAULT another worker joins");
      this.#simulation.start();
    } else if (kind === "store-clock") this.#jumpStore();
    else if (kind === "lost-tail") this.#loseTail();
    else if (kind === "clog") this.#clog();
    else if (worker !== undefined) this.#faultOf(kind, worker);
  }

  #faultOf(kind: Exclude<FaultKind, "join" | "store-clock" | "lost-tail" | "clog">, worker: SimulatedWorker): void {
    const { tape, time } = this.#simulation;
    const { leaseMs } = this.#simulation.options.settings;
    switch (kind) {
      case "crash":
        this.#simulation.trace.line(() => `FAULT ${worker.name} crashes`);
        this.crash(worker);
        break;
      case "stall": {
        const stalls = [3, 40, leaseMs, 2 * leaseMs, 3 * leaseMs];
        const which = tape.choose(stalls.length + 1);
        worker.stalledUntil = time + this.#bounded(stalls[which] ?? 2 * leaseMs);
        worker.longestStall = Math.max(worker.longestStall, worker.stalledUntil - time);
        // The last: who starts workers takes it for dead.
        if (worker.stalledUntil >= time + leaseMs) this.#successor(which < stalls.length ? undefined : worker.name);
        this.#simulation.trace.line(() => `FAULT ${worker.name} stalls until ${worker.stalledUntil - this.#simulation.beganAt}`);
        break;
      }
      case "leave":
        if (worker.stopping) break;
        this.#simulation.trace.line(() => `FAULT ${worker.name} is told to stop`);
        worker.stopping = true;
        this.#simulation.stopLimits.set(worker, time + STOP_LIMIT);
        worker.engine.stop(worker.now);
        this.#simulation.starts.push(time + tape.pick([0, 50, 2 * leaseMs]));
        break;
      case "break":
      case "time-out": {
        const applied = tape.choose(worker.connection.underWay.length + 1);
        const downFor = tape.pick([0, 5, 100, 2 * leaseMs]);
        const lost = worker.connection.break(applied, downFor);
        if (downFor > leaseMs) this.#successor();
        this.#simulation.trace.line(
          () =>
            `FAULT ${worker.name} loses its connection; ${applied} requests still arrived, ${lost.length} ${kind === "break" ? "are lost" : "will arrive later"}`,
        );
        if (kind === "time-out" && lost.length > 0) this.#simulation.strays.push({ worker: worker.name, effects: lost, from: time + tape.pick([0, 30, 500]) });
        break;
      }
      case "delay": {
        const by = this.#bounded(tape.pick([2, 30, 300, 2 * leaseMs]));
        worker.connection.delay(tape.choose(2) === 0, by);
        if (by > leaseMs) this.#successor();
        this.#simulation.trace.line(() => `FAULT what is on its way to or from ${worker.name} takes ${by} ms longer`);
        break;
      }
      case "duplicate": {
        if (worker.connection.arrived.length === 0) break;
        const arrived = tape.pick(worker.connection.arrived);
        this.#simulation.trace.line(() => `FAULT a ${arrived.kind} of ${worker.name} will arrive once more`);
        this.#simulation.strays.push({ worker: worker.name, effects: [arrived], from: time + tape.pick([0, 10, 2 * leaseMs]) });
        break;
      }
      case "outdated":
        this.#outdate(worker);
        break;
      case "unconfirmed":
        worker.connection.withhold(tape.pick([1, 2, 5]));
        this.#simulation.trace.line(() => `FAULT no replica confirms what ${worker.name} does next`);
        break;
      case "skew":
        worker.skew += tape.pick([1, -1]) * this.#bounded(tape.pick([10, 300, 2_500]));
        this.#simulation.trace.line(() => `FAULT ${worker.name}'s clock is ${worker.skew} ms ahead now`);
        break;
    }
  }

  /** Only where another has all its code: without any that can go on, nothing would come to its end. */
  #outdate(worker: SimulatedWorker): void {
    const { tape, options, workers, trace } = this.#simulation;
    if (!workers.some((other) => other !== worker && !other.stopping && !this.#outdated.has(other))) return;
    const { id, name } = tape.pick(options.plan.participants.filter(({ kind }) => kind !== "injector"));
    this.#outdated.add(worker);
    trace.line(() => `FAULT ${worker.name} cannot read what newer code has written of ${name}`);
    worker.engine.ownership.decline(id, new NewerDataError("written by newer code"));
  }

  /** Whom an adversary would hit now. */
  #victims(): SimulatedWorker[] {
    return this.#faults.adverse === true || this.#simulation.strategy.name === "adversary"
      ? this.#simulation.workers.filter(({ connection }) => connection.committing || connection.delivering)
      : [];
  }

  /** Lines are freed one after the other, in an order of the tape's. */
  #clog(): void {
    const { tape } = this.#simulation;
    for (const worker of this.#simulation.workers) {
      if (tape.choose(2) === 0) continue;
      const by = this.#bounded(tape.pick([30, 60, 2 * this.#simulation.options.settings.leaseMs]) + tape.choose(30));
      worker.connection.delay(true, by);
      worker.connection.delay(false, by);
      this.#simulation.trace.line(() => `FAULT ${worker.name}'s line is clogged for ${by} ms`);
    }
  }

  /** One who takes over what a worker loses that is away for longer than its leases. */
  #successor(inPlaceOf?: string): void {
    const { exclusive } = this.#simulation.options.settings;
    if (!exclusive && this.#simulation.workers.length < WORKERS) this.#simulation.starts.push(this.#simulation.time, inPlaceOf);
  }

  #bounded(ms: number): number {
    if (ms < LONG) return ms;
    return this.#long++ < LONG_MOST ? ms : LONG / 10;
  }

  /** The worker stands still past its leases, and another takes over. */
  replaced(worker: SimulatedWorker): void {
    const { time, options } = this.#simulation;
    worker.stalledUntil = time + this.#bounded(2 * options.settings.leaseMs);
    worker.longestStall = Math.max(worker.longestStall, worker.stalledUntil - time);
    this.#successor();
  }

  /** Ends the worker where it stands; `applied`: how many of its requests that are on their way still arrive. */
  crash(worker: SimulatedWorker, applied = this.#simulation.tape.choose(worker.connection.underWay.length + 1)): void {
    const { tape, time } = this.#simulation;
    const { exclusive, leaseMs } = this.#simulation.options.settings;
    this.#simulation.remove(worker);
    const effects = worker.connection.underWay.slice(0, applied);
    if (effects.length > 0 && !exclusive) this.#simulation.strays.push({ worker: worker.name, effects, from: time + tape.pick([0, 10, 3 * leaseMs]) });
    const starts = [0, 10, 2 * leaseMs];
    const which = tape.choose(starts.length + IN_PLACE.length);
    const inPlace = which < starts.length || exclusive ? undefined : worker.name;
    this.#simulation.starts.push(time + (starts[which] ?? (IN_PLACE[which - starts.length] as number) * leaseMs), inPlace);
  }

  #jumpStore(): void {
    this.#simulation.store.skew += this.#simulation.tape.pick([1, -1]) * this.#bounded(this.#simulation.tape.pick([10, 500, 3_000]));
    this.#simulation.trace.line(() => `FAULT the store's clock is ${this.#simulation.store.skew} ms ahead now`);
  }

  /** The store restarts: with all it had, or as it was a while ago. Every connection breaks, and nothing is under way any more. */
  #loseTail(): void {
    const { tape } = this.#simulation;
    const back = tape.choose(this.#simulation.store.kept + 1);
    const strays = back > 0 ? this.#sentBefore() : [];
    if (back > 0) {
      const { audit } = this.#simulation.store;
      this.#simulation.store.fallBack(back);
      this.#simulation.losses.fell(audit, this.#simulation.store.audit);
      // Whoever takes a store's place has a clock of its own.
      this.#simulation.store.skew -= tape.pick([0, 0, 10, 500]);
    }
    this.#simulation.trace.line(() => `FAULT the store restarts${back > 0 ? ", without its last commits" : ""}`);
    this.#simulation.generation++;
    this.#simulation.strays = strays;
    for (const { connection } of this.#simulation.workers) {
      connection.break(back > 0 ? 0 : tape.choose(connection.underWay.length + 1), tape.pick([0, 5, 100]));
      connection.forget();
    }
  }

  /** The commits that are under way, that nobody waits for any more, or that arrived a short while ago and may again. */
  #sentBefore(): Stray[] {
    const { strays, workers, tape, time } = this.#simulation;
    const sent = workers.map(({ name, connection: { arrived, underWay } }) => ({
      worker: name,
      effects: [...arrived, ...underWay],
    }));
    return [...strays, ...sent].flatMap(({ worker, effects }) => {
      const commits = effects.filter(({ kind }) => kind === "commit");
      return commits.length === 0 ? [] : [{ worker, effects: commits, from: time + tape.pick([0, 30, 500]), lost: true }];
    });
  }
}
