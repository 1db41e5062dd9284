/**
 * The injector that goes by the clock: one record a tick of a schedule, each exactly once, whatever dies in between.
 *
 * S1  Its position is the last tick given. The first thing it gives is a mark where it starts, so that from its first
 *     commit on no tick is forgotten, nor invented, by a restart.
 * S2  Its watermark is the clock, but never past a tick that is still to come: no tick is late.
 */
import { type Injector, injector } from "../computation/edges.ts";
import { show } from "../computation/checks.ts";
import { ConfigError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import { BEGINNING } from "../time.ts";
import type { WatermarkEstimator, WatermarkPolicy } from "../watermark/policy.ts";
import { savedEstimate } from "../watermark/saved-estimate.ts";
import type { Pulled, SourceContext, SourceItem, SourceReader } from "./injector.ts";
import { type Schedule, type Ticks, ticksOf } from "./schedule.ts";
import { WakeUp } from "./wake-up.ts";

/** One moment of a schedule. */
export interface Tick {
  /** When it is due, ms since the epoch: the timestamp of its record. */
  readonly time: number;
  /** Ticks since the one before that are left out, with `missed: "latest"`. */
  readonly missed: number;
}

export interface ScheduleOptions {
  /** What becomes of ticks that fell due while no worker ran: `all` (the default) come one by one, or the `latest` alone. */
  readonly missed?: "all" | "latest" | undefined;
}

/** ms between looks at the clock, by which event time goes on between ticks: each is a commit. */
const LOOK = 500;
/** `setTimeout` of a distant tick would wait for a clock that may be set meanwhile. */
const LONGEST_WAIT = 60_000;

/**
 * One record a tick, with the tick's time as its timestamp. Ticks begin after the first start of the pipeline.
 *
 * @param make the tick's value; of the tick alone, as it may be asked again after a crash.
 */
export function onSchedule<T>(schedule: Schedule, make: (tick: Tick) => T, options: ScheduleOptions = {}): Injector<T> {
  const where = "onSchedule";
  const ticks = ticksOf(where, schedule);
  if (typeof make !== "function") throw new ConfigError(`${where}: its second argument is a function of the tick, but it is ${show(make)}`);
  checkOptions(where, options, ["missed"]);
  const { missed = "all" } = options;
  if (missed !== "all" && missed !== "latest") throw new ConfigError(`${where}: missed is "all" or "latest", but it is ${show(missed)}`);
  return injector<T>({
    kind: "injector",
    description: `schedule ${ticks.description}`,
    partitions: 1,
    timestamp: undefined,
    id: undefined,
    idRetention: 0,
    watermark: clockPolicy(ticks),
    maxAhead: Number.POSITIVE_INFINITY,
    clocked: true,
    open: async (context, position) => new ScheduleReader(ticks, make, missed, context, position as number | undefined),
  });
}

class ScheduleReader implements SourceReader {
  readonly #ticks: Ticks;
  readonly #make: (tick: Tick) => unknown;
  readonly #missed: "all" | "latest";
  readonly #context: SourceContext;
  readonly #wakeUp = new WakeUp();
  /** The last tick given; undefined: nothing has been given yet. */
  #last: number | undefined;

  constructor(ticks: Ticks, make: (tick: Tick) => unknown, missed: "all" | "latest", context: SourceContext, position: number | undefined) {
    this.#ticks = ticks;
    this.#make = make;
    this.#missed = missed;
    this.#context = context;
    this.#last = position;
    context.signal.addEventListener("abort", this.#wakeUp.wake);
  }

  async pull(max: number): Promise<Pulled> {
    const { clock, signal } = this.#context;
    if (this.#last === undefined) {
      this.#last = clock.now();
      return { items: [{ value: undefined, position: this.#last, watermark: this.#last, mark: true }], done: false };
    }
    for (;;) {
      const items = this.#due(clock.now(), max);
      if (items.length > 0 || signal.aborted) return { items, done: false };
      const next = this.#ticks.after(this.#last);
      if (next === undefined) return { items, done: true };
      const cancel = clock.after(Math.min(Math.max(next - clock.now(), 1), LONGEST_WAIT), this.#wakeUp.wake);
      await this.#wakeUp.wait();
      cancel();
    }
  }

  #due(now: number, max: number): SourceItem[] {
    const items: SourceItem[] = [];
    let missed = 0;
    for (let next = this.#next(); next !== undefined && next <= now && items.length < max; next = this.#next()) {
      this.#last = next;
      const following = this.#ticks.after(next);
      if (this.#missed === "latest" && following !== undefined && following <= now) missed += 1;
      else items.push({ value: this.#make({ time: next, missed }), position: next, timestamp: next });
    }
    return items;
  }

  #next(): number | undefined {
    return this.#ticks.after(this.#last as number);
  }

  async close(): Promise<void> {
    this.#context.signal.removeEventListener("abort", this.#wakeUp.wake);
  }
}

function clockPolicy(ticks: Ticks): WatermarkPolicy {
  return {
    kind: "watermark-policy",
    description: `the clock, up to the next tick of ${ticks.description}`,
    idleAfter: undefined,
    tellEvery: LOOK,
    start: (saved) => new ScheduleEstimator(ticks, saved),
  };
}

class ScheduleEstimator implements WatermarkEstimator {
  readonly #ticks: Ticks;
  /** The last tick injected, or where the schedule began. */
  #last: number;
  #watermark: number;

  constructor(ticks: Ticks, saved: unknown) {
    const { largest, watermark } = savedEstimate(saved);
    this.#ticks = ticks;
    this.#last = largest;
    this.#watermark = watermark;
  }

  observe(timestamp: number): void {
    this.#last = Math.max(this.#last, timestamp);
  }

  /** Where the schedule begins. */
  promise(watermark: number): void {
    if (this.#last === BEGINNING) this.#last = watermark;
    this.#watermark = Math.max(this.#watermark, this.#last);
  }

  tell(now: number): void {
    if (this.#last === BEGINNING) return;
    this.#watermark = Math.max(this.#watermark, Math.min(now, this.#ticks.after(this.#last) ?? now));
  }

  current(): number {
    return this.#watermark;
  }

  save(): unknown {
    return { largest: this.#last, watermark: this.#watermark };
  }
}
