/**
 * Two pipelines of timers: one sets many for event times that come at the end of the input, so that all of them are
 * stored at once and then fire; the other sets timers by the wall clock at a steady rate and looks how late they fire.
 */
import { Computation, type Context, input, Pipeline, state, stream, type StreamRecord, type Timer, timers, type Injector } from "../src/index.ts";
import { keyRing, timesOf } from "./counter-pipeline.ts";
import { numbered } from "./harness/numbered.ts";
import { now, type Probe, type Workload } from "./harness/workload.ts";
import { counts, openLoop, recordsOf, type Schedule } from "./open-loop.ts";

interface Reminder {
  readonly n: number;
  readonly key: string;
}
const reminders = stream<Reminder>("reminders");

export interface TimerLoad {
  readonly records: number;
  readonly keys: number;
  readonly shards: number;
}

/** After all records. */
const FIRST = 1_000_000_000;

class Setter extends Computation {
  readonly from = input(reminders, { key: ({ key }) => key });
  readonly fired = state("fired", { initial: 0 });
  readonly due = timers<number>("due");
  readonly #probe: Probe;
  readonly #records: number;
  #set = 0;
  constructor(probe: Probe, records: number) {
    super();
    this.#probe = probe;
    this.#records = records;
  }

  override processRecord({ value: { n } }: StreamRecord<Reminder>, context: Context): void {
    context.setTimer(this.due.for(n), FIRST + n);
    // Of the last process: one that was killed tells nothing of this.
    if (++this.#set === this.#records) this.#probe.notes["setAt"] = now();
  }
  override processTimer(timer: Timer<number>, context: Context): void {
    if (timer.time !== FIRST + timer.tag || context.watermark < timer.time) throw new RangeError(`a timer for ${FIRST + timer.tag} fired at ${timer.time}`);
    context.state(this.fired).update((count) => count + 1);
  }
}

/** Every timer fires once, and with its own time, or the counts differ or a handler has failed. */
export const timerLoad: Workload<TimerLoad> = {
  name: "timers",
  work: ({ records }) => ({ records, processings: records * 3 }),
  pipeline: (load, probe) =>
    new Pipeline("timers", { shards: load.shards }).inject("load", reminders, saturating(load, probe)).compute("setter", () => new Setter(probe, load.records)),
  expect({ records, keys }, results) {
    for (const [n, key] of keyRing(keys).entries()) {
      const times = timesOf(n, keys, records);
      if (times > 0) results.add("setter", "fired", key, times);
    }
  },
};

function saturating({ records, keys }: TimerLoad, probe: Probe): Injector<Reminder> {
  const from = () => {
    const ring = keyRing(keys);
    return { valueOf: (n: number): Reminder => ({ n, key: ring[n % keys] as string }), timeOf: (n: number) => 1_000_000 + Math.floor(n / 1_000) };
  };
  return numbered({ description: `${records} reminders`, records, from, probe });
}

export interface WallTimerLoad extends Schedule {
  readonly keys: number;
  readonly shards: number;
  /** ms after its record that a timer is set for. */
  readonly ahead: number;
}

class Waker extends Computation {
  readonly from = input(reminders, { key: ({ key }) => key });
  readonly fired = state("fired", { initial: 0 });
  readonly due = timers<number>("due", { clock: "wall" });
  readonly #load: WallTimerLoad;
  readonly #probe: Probe;
  constructor(load: WallTimerLoad, probe: Probe) {
    super();
    this.#load = load;
    this.#probe = probe;
  }
  override processRecord({ value: { n }, timestamp }: StreamRecord<Reminder>, context: Context): void {
    context.setTimer(this.due.for(n), timestamp + this.#load.ahead);
  }
  override processTimer(timer: Timer<number>, context: Context): void {
    if (context.now() < timer.time) throw new RangeError(`a timer for ${timer.time} fired at ${context.now()}`);
    if (counts(this.#load, timer.tag)) this.#probe.histogram("late").add(now() - timer.time);
    context.state(this.fired).update((count) => count + 1);
  }
}

export const wallTimers: Workload<WallTimerLoad> = {
  name: "wall-timers",
  work: (load) => ({ records: recordsOf(load), processings: recordsOf(load) * 3 }),
  pipeline(load, probe) {
    const ring = keyRing(load.keys);
    const source = openLoop<Reminder>(load, probe, (n) => ({ n, key: ring[n % load.keys] as string }));
    return new Pipeline("wall-timers", { shards: load.shards }).inject("load", reminders, source).compute("waker", () => new Waker(load, probe));
  },
  expect(load, results) {
    for (const [n, key] of keyRing(load.keys).entries()) {
      const times = timesOf(n, load.keys, recordsOf(load));
      if (times > 0) results.add("waker", "fired", key, times);
    }
  },
};
