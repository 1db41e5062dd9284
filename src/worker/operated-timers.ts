/**
 * What operators ask for of timers, as it is waited for: found in the store by name, done by the worker that owns the shard
 * (`computation-operated.ts` says how), and answered when the commit that holds it was acknowledged.
 */
import type { Clock } from "../clock.ts";
import { shardOf, shardRef } from "../key.ts";
import { timerAddressOf, type TimerAddress } from "../store/address.ts";
import type { TimerClock } from "../store/commit.ts";
import type { TimerAction, TimerCommand } from "./computation-operated.ts";
import type { PlannedComputation } from "./plan.ts";
import type { Worker } from "./worker.ts";

export type TimerOutcome =
  /** It is committed. */
  | { readonly kind: "done" }
  /** There is no timer of this name that is set for this time, or no longer. */
  | { readonly kind: "absent" }
  /** Another worker has its shard, or none has. */
  | { readonly kind: "elsewhere" }
  | { readonly kind: "refused"; readonly reason: string }
  /** A call of its key, or something else that goes before it, takes too long: nothing was done. */
  | { readonly kind: "busy" }
  /** The commit has taken too long to wait for; it may still come. */
  | { readonly kind: "unknown" };

/** A timer of a computation, as its name says. */
export interface NamedTimer {
  readonly clock: TimerClock;
  readonly member: string;
  readonly address: TimerAddress;
}

/** ms to wait for the commit, and between looks. */
const PATIENCE = 5_000;
const LOOK = 5;

/** How a timer is named among those of its computation. */
export const timerName = (member: string): string => Buffer.from(member).toString("base64url");

/** undefined: no timer of this computation has that name. */
export function parseTimerName({ timers }: PlannedComputation, name: string): NamedTimer | undefined {
  const member = Buffer.from(name, "base64url").toString();
  const address = timerName(member) === name ? timerAddressOf(member) : undefined;
  const clock = timers.find(({ id }) => id === address?.timer)?.node.clock;
  return address === undefined || clock === undefined ? undefined : { clock, member, address };
}

export class OperatedTimers {
  readonly #worker: Worker;
  readonly #clock: Clock;

  constructor(worker: Worker, clock: Clock) {
    this.#worker = worker;
    this.#clock = clock;
  }

  /** `time`: what the timer is set for, so that what was done already is not done again. */
  async act(action: TimerAction, computation: PlannedComputation, { clock, member, address }: NamedTimer, time: number): Promise<TimerOutcome> {
    const { engine, driver } = this.#worker;
    const shard = shardRef(computation.id, shardOf(address.key, computation.shards));
    const owned = engine.computation(shard);
    if (owned === undefined) return { kind: "elsewhere" };
    const command: TimerCommand = { action, clock, member, time, outcome: undefined };
    owned.command(command);
    driver.kick();
    for (const until = this.#clock.now() + PATIENCE; this.#clock.now() < until && engine.computation(shard) === owned; ) {
      const { outcome } = command;
      if (outcome !== undefined && outcome.kind !== "done") return outcome;
      if (outcome !== undefined && owned.acknowledged >= outcome.number) return { kind: "done" };
      await new Promise<void>((resolve) => void this.#clock.after(LOOK, resolve));
    }
    if (owned.withdraw(command)) return engine.computation(shard) === owned ? { kind: "busy" } : { kind: "elsewhere" };
    return command.outcome === undefined || command.outcome.kind === "done" ? { kind: "unknown" } : command.outcome;
  }
}
