/**
 * The outside world that effects of a simulated pipeline reach: what was performed under which idempotency key, whoever
 * performed it; and the runner that each simulated worker has. Whether a call fails is on the tape, and how long it takes.
 *
 * E1  A record has one idempotency key, the same at each call, and no other record has it.
 * E2  No worker has more than `concurrency` calls at a time, nor begins more than `max` in any `per` ms of its clock.
 * E3  A record is consumed only after it has been performed, or has gone to dead letters after its last attempt.
 */
import type { EffectOutcome, EffectRunner, EffectTask } from "../../effects/effects.ts";
import { Later } from "./later.ts";
import type { Tape } from "./tape.ts";
import type { Trace } from "./trace.ts";
import { check, type Violation } from "./violation.ts";

/** All calls for one record. */
export interface Performed {
  readonly effect: string;
  readonly id: string;
  readonly idempotencyKey: string;
  readonly value: unknown;
  calls: number;
  succeeded: number;
  /** Calls that failed as the last of their attempts. */
  failedLast: number;
}

export class PerformedEffects {
  /** By effect and record. */
  readonly #records = new Map<string, Performed>();
  readonly #keys = new Set<string>();
  /** Found inside a call, where the engine takes whatever is thrown for the user's failure. */
  violation: Violation | undefined = undefined;

  /** A call begins. */
  begin({ settings, record, idempotencyKey, attempt }: EffectTask, trace: Trace): Performed {
    const { name, attempts } = settings;
    check(attempt >= 1 && attempt <= attempts, "E1 attempts", () => `attempt ${attempt} of ${idempotencyKey}, of at most ${attempts}`);
    const address = `${name} ${record.id}`;
    let known = this.#records.get(address);
    if (known === undefined) {
      check(!this.#keys.has(idempotencyKey), "E1 one key", () => `${idempotencyKey} is the key of another record than ${record.id} too`);
      known = { effect: name, id: record.id, idempotencyKey, value: record.value, calls: 0, succeeded: 0, failedLast: 0 };
      this.#records.set(address, known);
      this.#keys.add(idempotencyKey);
    }
    const value = known.value;
    check(
      JSON.stringify(value) === JSON.stringify(record.value),
      "E1 one key",
      () => `${idempotencyKey} stands for ${JSON.stringify(record.value)}, and for ${JSON.stringify(value)} before`,
    );
    check(known.idempotencyKey === idempotencyKey, "E1 one key", () => `record ${record.id} has the key ${idempotencyKey}, and ${known.idempotencyKey} before`);
    if (known.succeeded > 0) trace.saw("effect performed twice");
    known.calls++;
    return known;
  }

  /** A commit is applied after which the record is not waited for any more; `parked`: it is in dead letters now. */
  consumed(effect: string, id: string, parked: boolean): void {
    const known = this.#records.get(`${effect} ${id}`);
    const may = parked ? (known?.failedLast ?? 0) > 0 : (known?.succeeded ?? 0) > 0;
    check(may, "E3 consumed", () => `effect ${effect} is done with ${id}, ${parked ? "as failed for the last time" : "as performed"}, but ${describe(known)}`);
  }

  of(effect: string): Performed[] {
    return [...this.#records.values()].filter((each) => each.effect === effect);
  }
}

function describe(known: Performed | undefined): string {
  if (known === undefined) return "it was never begun";
  return `of ${known.calls} calls ${known.succeeded} succeeded and ${known.failedLast} were the last that may fail`;
}

/** What a runner needs of the simulation around it. */
export interface EffectsWorld {
  readonly effects: PerformedEffects;
  readonly tape: Tape;
  readonly trace: Trace;
  /** The worker's clock, as its engine has it, ms. */
  now(): number;
  /** Of a thousand calls, how many fail. */
  readonly failing: number;
}

/** Of a thousand calls that fail and need not be the last, and of a thousand without results that succeed. */
const GIVEN_UP = 150;
const HANDED_OVER = 400;

/** Of one effect in one worker. */
interface Lane {
  readonly inside: Set<AbortSignal>;
  readonly begun: number[];
}

export class SimulatedRunner implements EffectRunner {
  readonly limited = true;
  readonly #world: EffectsWorld;
  readonly #lanes = new Map<string, Lane>();

  constructor(world: EffectsWorld) {
    this.#world = world;
  }

  perform(task: EffectTask): Promise<EffectOutcome> {
    try {
      return this.#perform(task);
    } catch (error) {
      this.#world.effects.violation ??= error as Violation;
      throw error;
    }
  }

  #perform(task: EffectTask): Promise<EffectOutcome> {
    const { tape, trace, effects, failing } = this.#world;
    const { name, attempts, results } = task.settings;
    const known = effects.begin(task, trace);
    const lane = this.#enter(task);
    const fails = tape.chance(failing);
    const isLast = task.attempt >= attempts;
    // Another system may perform it: that has tries of its own, and where nobody waits for results it need not be waited for.
    const givenUp = fails && !isLast && tape.chance(GIVEN_UP);
    const handedOver = !fails && results === undefined && tape.chance(HANDED_OVER);
    trace.line(() => `effect ${name} is called with ${task.idempotencyKey}, attempt ${task.attempt}${fails ? ", and will fail" : ""}`);
    const later = new Later<EffectOutcome>(() => {
      lane.inside.delete(task.signal);
      if (!fails) {
        known.succeeded++;
        if (handedOver) trace.saw("effect handed over");
        if (handedOver) return { kind: "handed-over" };
        return { kind: "performed", value: valueOf(task.idempotencyKey), attempts: task.attempt };
      }
      if (isLast || givenUp) known.failedLast++;
      if (isLast) trace.saw("effect failed for the last time");
      if (givenUp) trace.saw("effect given up");
      if (givenUp) return { kind: "failed", error: new Error(FAILURE), attempts: task.attempt };
      throw new Error(FAILURE);
    });
    return later as unknown as Promise<EffectOutcome>;
  }

  #enter({ settings: { name, concurrency, rateLimit }, signal }: EffectTask): Lane {
    const now = this.#world.now();
    const lane = this.#lanes.get(name) ?? { inside: new Set(), begun: [] };
    this.#lanes.set(name, lane);
    // What the engine has given up does not count any more, though it may still be performed.
    for (const each of lane.inside) if (each.aborted) lane.inside.delete(each);
    check(lane.inside.size < concurrency, "E2 concurrency", () => `effect ${name} has ${lane.inside.size} calls already, of at most ${concurrency}`);
    lane.inside.add(signal);
    lane.begun.push(now);
    let closed = lane.inside.size === concurrency;
    if (rateLimit !== undefined) {
      const { max, per } = rateLimit;
      const before = lane.begun.at(-max - 1);
      check(before === undefined || now - before >= per, "E2 rate", () => `effect ${name} begins more than ${max} calls in ${now - (before ?? 0)} ms`);
      const first = lane.begun.at(-max);
      closed ||= first !== undefined && now - first < per;
    }
    if (closed) this.#world.trace.saw("gate closed");
    return lane;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What a call that fails throws. */
export const FAILURE = "simulated to fail";
/** What a call for a key comes to. */
export const valueOf = (idempotencyKey: string): string => `done ${idempotencyKey}`;
