/**
 * Timers, as user code declares and sees them. When they fire is the engine's (`src/timers`).
 */
import { ConfigError, InvalidUseError } from "../errors.ts";
import type { Of } from "../record.ts";
import type { TimerClock } from "../store/commit.ts";
import { checkOptions } from "../options.ts";
import { checkPercentile } from "../watermark/percentile.ts";
import { checkName, checkRenamedFrom, show } from "./checks.ts";
import { type carries, HANDLE } from "./handle.ts";

export interface TimerOptions {
  /** `watermark` (the default): fires once the input low watermark has reached its time. `wall`: once processing time has. */
  readonly clock?: TimerClock | undefined;
  /**
   * It fires once so many percent of the records before its time are in, by how late records have come to the injectors:
   * from 50 to 99.99, at most two decimals. For event timers. What comes behind it is not late, and a timer set in
   * the past fires at once, so that a result can be corrected. Default: none; it fires by the low watermark.
   */
  readonly percentile?: number | undefined;
  /** Earlier names of this timer. */
  readonly renamedFrom?: string | readonly string[] | undefined;
}

/** What `Context.setTimer` takes: one timer of a key. Setting it again replaces it. */
export interface TimerSlot<Tag = unknown> {
  readonly kind: "timer";
  readonly name: string;
  readonly [carries]: Tag;
}

/** Timers of a key that are told apart by a tag. */
export interface TimerFamily<Tag> {
  readonly kind: "timers";
  readonly name: string;
  readonly [carries]: Tag;
  /** The timer with this tag, of at most 256 bytes of UTF-8. Throws `InvalidUseError` for what is no tag. */
  for(tag: Tag): TimerSlot<Tag>;
}

/** A timer that fires. */
export interface Timer<Tag = unknown> {
  /** undefined for a timer that was declared without tags. */
  readonly tag: Tag;
  /** What it was set for, ms since the epoch; never later than now. */
  readonly time: number;
  readonly clock: TimerClock;
  /** Is it this one, or one of this family? */
  is<U>(timer: TimerSlot<U> | TimerFamily<U>): this is Timer<U> & Of<TimerSlot<U>>;
}

/** What a declared timer or family holds, for the graph and the engine. */
export interface TimerHandle {
  readonly kind: "timer" | "timers";
  readonly name: string;
  readonly clock: TimerClock;
  readonly percentile: number | undefined;
  readonly renamedFrom: readonly string[];
}

/** What `setTimer` and `is` are given: a declared timer (no `family`), or a slot that `family.for(tag)` made. */
export interface SlotHandle extends TimerSlot<string | number | undefined> {
  readonly family: TimerHandle | undefined;
  readonly tag: string | number | undefined;
}

/** Declares one timer a key. `name` is durable. */
export function timer(name: string, options?: TimerOptions): TimerSlot<undefined> {
  const handle = { ...declared("timer", name, options), family: undefined, tag: undefined };
  return Object.freeze(handle) as unknown as TimerSlot<undefined>;
}

/** Declares one timer a key and tag: `timers<number>("closing")`, set as `this.closing.for(start)`. `name` is durable. */
export function timers<Tag extends string | number>(name: string, options?: TimerOptions): TimerFamily<Tag> {
  const family = { ...declared("timers", name, options), for: (tag: Tag) => slotOf(family, tag) };
  return Object.freeze(family) as unknown as TimerFamily<Tag>;
}

function declared(kind: "timer" | "timers", name: unknown, options: TimerOptions | undefined): TimerHandle {
  checkName(kind === "timer" ? "a timer" : "a family of timers", name);
  const where = `timer ${show(name)}`;
  checkOptions(where, options, ["clock", "percentile", "renamedFrom"]);
  const clock: TimerClock = options?.clock ?? "watermark";
  if (clock !== "watermark" && clock !== "wall") throw new ConfigError(`${where}: clock is "watermark" or "wall", but it is ${show(clock)}`);
  const percentile = checkPercentile(where, options?.percentile);
  if (percentile !== undefined && clock === "wall") throw new ConfigError(`${where}: percentile is for event timers; leave it out, or the clock "wall"`);
  const handle: TimerHandle & { readonly [HANDLE]: true } = {
    [HANDLE]: true,
    kind,
    name,
    clock,
    percentile,
    renamedFrom: checkRenamedFrom(where, name, options?.renamedFrom),
  };
  return handle;
}

/** Made at every use, so neither frozen nor checked more than it must be. */
function slotOf<Tag extends string | number>(family: TimerHandle, tag: Tag): TimerSlot<Tag> {
  if (typeof tag !== "string" && (typeof tag !== "number" || Number.isNaN(tag))) {
    throw new InvalidUseError(`timers ${show(family.name)}: a tag is a string or a number, but it is ${show(tag)}`);
  }
  const slot = { [HANDLE]: true, kind: "timer", name: family.name, family, tag };
  return slot as unknown as TimerSlot<Tag>;
}
