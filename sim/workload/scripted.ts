/** The computation under test: carries out the programs of `program.ts` by what a `Context` offers, and logs its calls in its own state. */
import {
  Computation,
  type Context,
  type Input,
  input,
  type Output,
  output,
  state,
  type Stream,
  type StreamRecord,
  type Timer,
  type TimerFamily,
  timer,
  timers,
} from "../../src/index.ts";
import { Later } from "../../src/testing/simulation/later.ts";
import { BRIEF, type Entry, FUEL, type Item, LATEST, type Program, type Script, type Step, type Sums, verdictOf } from "./program.ts";

/** What the computations of the running simulation go by: set before each run. */
export interface Stage {
  readonly scripts: ReadonlyMap<string, Script>;
  /** Tries so far, by computation and what is tried. */
  readonly tries: Map<string, number>;
  /** Told of each call; may throw in the handler's place. */
  readonly called?: (() => void) | undefined;
  /** Told of what a filter does but take a record. */
  readonly saw?: ((what: string) => void) | undefined;
}

export interface Streams {
  readonly inputs: readonly Stream<Item>[];
  readonly outputs: readonly Stream<Item>[];
  /** Keyed by `other`. */
  readonly other: boolean;
  /** Have its inputs a filter? */
  readonly filtered: boolean;
  /** Of the timers `due`. */
  readonly percentile: number | undefined;
}

/** One call under way. */
interface Running {
  readonly name: string;
  readonly context: Context;
  readonly what: string;
  readonly steps: Program;
  /** What times are counted from. */
  readonly from: number;
  /** May it give timestamps of its own? A wall timer does not know where it stands. */
  readonly stamped: boolean;
  readonly isTimer: boolean;
  readonly held: number;
  readonly entry: (string | number | boolean)[];
  produced: number;
  at: number;
}

export class Scripted extends Computation {
  readonly first: Input<Item>;
  readonly second: Input<Item> | undefined;
  readonly out: Output<Item> | undefined;
  readonly more: Output<Item> | undefined;
  readonly log = state("log", { initial: [] as Entry[] });
  readonly sums = state("sums", { initial: { total: 0, fuel: FUEL, hold: -1 } as Sums });
  readonly brief = state<number>("brief", { ttl: BRIEF });
  readonly due: TimerFamily<number>;
  readonly wait = timers<number>("wait", { clock: "wall" });
  readonly flush = timer("flush");
  readonly release = timer("release");
  readonly percentile: number | undefined;
  readonly stageName: string;
  readonly stage: () => Stage;

  constructor(name: string, { inputs, outputs, other, filtered, percentile }: Streams, stage: () => Stage) {
    super();
    const key = (item: Item) => (other ? item.other : item.key);
    const where = filtered ? (item: Item) => this.#takes(item) : undefined;
    this.first = input(inputs[0] as Stream<Item>, { key, where });
    this.second = inputs[1] && input(inputs[1], { key, where });
    this.out = outputs[0] && output(outputs[0]);
    this.more = outputs[1] && output(outputs[1]);
    this.due = timers<number>("due", { percentile });
    this.percentile = percentile;
    this.stageName = name;
    this.stage = stage;
  }

  processRecord(record: StreamRecord<Item>, context: Context): void | Promise<void> {
    const { records } = this.#script();
    const steps = records[record.value.program % records.length] as Program;
    return this.#begin(record.value.id, record.timestamp, true, false, record.late, steps, context);
  }

  override processTimer(fired: Timer<number | undefined>, context: Context): void | Promise<void> {
    const { timers: tagged, flush } = this.#script();
    const name = fired.is(this.due) ? "due" : fired.is(this.wait) ? "wait" : fired.is(this.flush) ? "flush" : "release";
    const steps = name === "release" ? RELEASE : name === "flush" ? flush : (tagged[fired.tag as number] as Program);
    const isEvent = fired.clock === "watermark";
    const from = isEvent ? fired.time : Math.max(context.watermark, 0);
    return this.#begin(`${name}:${fired.tag ?? ""}:${fired.time}`, from, isEvent, true, false, steps, context);
  }

  #takes(item: Item): boolean {
    const verdict = verdictOf(this.#script(), item);
    if (verdict !== "taken") this.stage().saw?.(`record ${verdict}`);
    if (verdict === "refused") throw new Error("scripted to refuse");
    return verdict === "taken";
  }

  #script(): Script {
    return this.stage().scripts.get(this.stageName) as Script;
  }

  #begin(what: string, from: number, stamped: boolean, isTimer: boolean, late: boolean, steps: Program, context: Context): void | Promise<void> {
    this.stage().called?.();
    const { hold } = context.state(this.sums).get();
    const entry = [what, context.watermark, context.now(), late];
    if (this.percentile !== undefined) entry.push(context.percentileWatermark(this.due));
    const running: Running = { name: this.stageName, context, what, steps, from, stamped, isTimer, held: hold, entry, produced: 0, at: 0 };
    return this.#go(running) as void | Promise<void>;
  }

  #go(running: Running): Later | void {
    const { steps, context, entry } = running;
    while (running.at < steps.length) {
      const step = steps[running.at++] as Step;
      if (step.do === "wait") return new Later(() => this.#go(running));
      this.#do(step, running);
    }
    context.state(this.log).update((log) => {
      log.push(entry as unknown as Entry);
    });
  }

  #do(step: Step, running: Running): void {
    const { context, entry } = running;
    switch (step.do) {
      case "add":
        context.state(this.sums).update((sums) => {
          sums.total += step.by;
        });
        break;
      case "produce":
      case "produce-held":
        this.#produce(step, running);
        break;
      case "set":
        this.#set(step, running);
        break;
      case "delete":
        context.deleteTimer(step.timer === "flush" ? this.flush : this[step.timer].for(step.tag));
        break;
      case "hold": {
        if (running.from > LATEST) break;
        const hold = later(running.from, step.after);
        context.hold(hold);
        context.setTimer(this.release, later(running.from, step.until));
        context.state(this.sums).update((sums) => ({ ...sums, hold }));
        break;
      }
      case "release":
        context.hold(undefined);
        context.state(this.sums).update((sums) => ({ ...sums, hold: -1 }));
        break;
      case "clear": {
        const log = [...context.state(this.log).get()];
        context.clear();
        context.state(this.log).set(log);
        break;
      }
      case "put":
        context.state(this.brief).set(step.value);
        entry.push(context.now());
        break;
      case "drop":
        context.state(this.brief).delete();
        break;
      case "look":
        entry.push(context.state(this.brief).get() ?? -1, context.now());
        break;
      case "fail":
        this.#fail(step.tries, running);
        break;
      case "wait":
        break;
    }
  }

  #produce(step: Extract<Step, { do: "produce" | "produce-held" }>, running: Running): void {
    const { context } = running;
    const to = step.to === 0 ? this.out : this.more;
    if (to === undefined) return;
    const id = `${running.name}/${context.key}/${context.state(this.log).get().length}/${running.produced++}`;
    const value: Item = { id, key: step.key, other: step.other, program: step.program };
    if (step.do === "produce-held") {
      if (running.held >= 0 && running.stamped && running.held <= running.from) context.produce(to, value, { timestamp: running.held });
    } else if (step.after === 0 || !running.stamped || running.from > LATEST) context.produce(to, value);
    else context.produce(to, value, { timestamp: running.from + step.after });
  }

  #set(step: Extract<Step, { do: "set" }>, running: Running): void {
    const { context } = running;
    if (running.isTimer) {
      if (context.state(this.sums).get().fuel === 0) return;
      context.state(this.sums).update((sums) => {
        sums.fuel--;
      });
      // At the end of time it may be dropped, and while an asynchronous call waits that may come.
      running.entry.push(context.watermark);
    }
    const slot = step.timer === "flush" ? this.flush : this[step.timer].for(step.tag);
    if (step.timer === "wait") {
      running.entry.push(context.now());
      context.setTimer(slot, context.now() + Math.max(step.after, -5), step.output === "none" ? { output: "none" } : undefined);
      return;
    }
    if (step.from === "watermark") running.entry.push(context.watermark);
    const from = step.from === "watermark" && context.watermark >= 0 ? context.watermark : running.from;
    if (from > LATEST) return;
    const time = later(from, step.after);
    const out = typeof step.output === "number" ? running.from + step.output : undefined;
    if (out !== undefined && running.stamped && out <= time && running.from <= LATEST) context.setTimer(slot, time, { output: out });
    else context.setTimer(slot, time);
  }

  #fail(tries: number, running: Running): void {
    const { tries: tried } = this.stage();
    const of = `${running.name} ${running.what} ${running.context.key}`;
    const before = tried.get(of) ?? 0;
    if (before >= tries) return;
    tried.set(of, before + 1);
    throw new Error("scripted to fail");
  }
}

/** The same, with handlers that look like async functions from the start. */
export class AsyncScripted extends Scripted {
  override processRecord(record: StreamRecord<Item>, context: Context): void | Promise<void> {
    return super.processRecord(record, context);
  }
}
Object.defineProperty(AsyncScripted.prototype.processRecord, "constructor", { value: { name: "AsyncFunction" } });

const RELEASE: Program = [{ do: "release" }];

/** A time that a timer may be set for. */
function later(from: number, after: number): number {
  return from > LATEST ? from : Math.max(0, from + after);
}
