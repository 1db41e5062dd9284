/**
 * The part of the fold that carries out one call: what its steps make of the key's model, of its timers and of the streams.
 * The timers' poison and who may drop them are noted here, and judged in `fold.ts`.
 */
import type { KeyCommands } from "./fold-commands.ts";
import type { FoldShape } from "./fold-input.ts";
import { BRIEF, type Entry, FUEL, type Item, LATEST, type Program, type Script, type Step, type Sums } from "../workload/program.ts";

/** A record on its way to one consumer. */
export interface Delivery {
  readonly item: Item;
  readonly timestamp: number;
  /** Who made it, and which of theirs it is: order is kept within a sender. */
  readonly sender: string;
  readonly place: number;
  /** It must not be late. */
  readonly inTime: boolean;
}

export interface SetTimer {
  readonly time: number;
  readonly output: number | undefined;
  readonly inTime: boolean;
  /** Set by a firing at the end of time: it may have been dropped. */
  readonly droppable: boolean;
  readonly poison: boolean;
}

export interface KeyModel {
  readonly key: string;
  readonly sums: Sums;
  brief: { readonly value: number; readonly until: number } | undefined;
  hold: { readonly time: number; readonly inTime: boolean } | undefined;
  readonly timers: Map<string, SetTimer>;
  /** Those that a command has fired and that were not called yet, in order; meanwhile the timer may be set anew. */
  readonly aside: { readonly timer: string; readonly set: SetTimer }[];
  readonly commands: KeyCommands;
  /** Poisoned timers that were replaced, deleted or fired by a command, or had gone to dead letters before: no one can tell. */
  readonly doubtful: string[];
  watermark: number;
  /** The last one seen, where one is followed. */
  percentile?: number;
  now: number;
  /** Largest event time of the records of this key. */
  largest: number;
}

/** One call as the fold sees it. */
export interface Called {
  readonly computation: FoldShape["computations"][number];
  readonly model: KeyModel;
  readonly entry: Entry;
  readonly index: number;
  readonly steps: Program;
  /** Default timestamp of what it produces, and what its times are counted from. */
  readonly base: number;
  readonly from: number;
  readonly stamped: boolean;
  readonly isTimer: boolean;
  /** At or after this, what it makes is in time. */
  readonly inTimeFrom: number;
  readonly held: KeyModel["hold"];
  saw: number;
  produced: number;
}

export const END = Number.MAX_SAFE_INTEGER;

/** What a call needs of the fold around it. */
interface Around {
  add(stream: string, delivery: Delivery): void;
  wrong(text: string): void;
  /** An event time that is known before the end of time. */
  knows(time: number): void;
  scriptOf(computation: string): Script;
}

export class CallFold {
  readonly #around: Around;

  constructor(around: Around) {
    this.#around = around;
  }

  step(step: Step, called: Called): void {
    const { model, entry, from } = called;
    const read = (): number => entry[called.saw++] as number;
    switch (step.do) {
      case "add":
        model.sums.total += step.by;
        break;
      case "produce":
      case "produce-held":
        this.#produce(step, called);
        break;
      case "set":
        this.#set(step, called, read);
        break;
      case "delete":
        this.#unset(called, address(step.timer, step.tag));
        break;
      case "hold": {
        if (from > LATEST) break;
        const hold = Math.max(0, from + step.after);
        const release = Math.max(0, from + step.until);
        model.hold = { time: hold, inTime: hold >= called.inTimeFrom };
        this.#putTimer(called, address("release", 0), { time: release, output: release, droppable: false });
        model.sums.hold = hold;
        break;
      }
      case "release":
        model.hold = undefined;
        model.sums.hold = -1;
        break;
      case "clear":
        for (const timer of [...model.timers.keys()]) this.#unset(called, timer);
        model.hold = undefined;
        model.brief = undefined;
        Object.assign(model.sums, { total: 0, fuel: FUEL, hold: -1 });
        break;
      case "put":
        model.brief = { value: step.value, until: read() + BRIEF };
        break;
      case "drop":
        model.brief = undefined;
        break;
      case "look": {
        const value = read();
        const now = read();
        const expected = model.brief !== undefined && now < model.brief.until ? model.brief.value : -1;
        if (value !== expected)
          this.#around.wrong(`F5: ${called.computation.name} ${model.key}, call ${called.index}: brief is ${value}, should be ${expected}`);
        break;
      }
      case "fail":
      case "wait":
        break;
    }
  }

  #produce(step: Extract<Step, { do: "produce" | "produce-held" }>, called: Called): void {
    const { computation, model, index, base, from, stamped, held } = called;
    const stream = computation.outputs[step.to];
    if (stream === undefined) return;
    const id = `${computation.name}/${model.key}/${index}/${called.produced++}`;
    const item: Item = { id, key: step.key, other: step.other, program: step.program };
    let timestamp = base;
    if (step.do === "produce-held") {
      if (held === undefined || !stamped || held.time > from) return;
      timestamp = held.time;
    } else if (step.after > 0 && stamped && from <= LATEST) timestamp = from + step.after;
    this.#around.add(stream, {
      item,
      timestamp,
      sender: `${computation.name}/${model.key}`,
      place: index * 100 + called.produced,
      inTime: timestamp >= called.inTimeFrom,
    });
  }

  #set(step: Extract<Step, { do: "set" }>, called: Called, read: () => number): void {
    const { model, from, base, stamped, isTimer } = called;
    if (isTimer) {
      if (model.sums.fuel === 0) return;
      model.sums.fuel--;
    }
    const droppable = isTimer && read() === END;
    if (step.timer === "wait") {
      const time = read() + Math.max(step.after, -5);
      this.#putTimer(called, address("wait", step.tag), { time, output: step.output === "none" ? undefined : base, droppable });
      return;
    }
    const watermark = step.from === "watermark" ? read() : -1;
    const start = watermark >= 0 ? watermark : from;
    if (start > LATEST) return;
    const time = Math.max(0, start + step.after);
    const out = typeof step.output === "number" && stamped && from + step.output <= time && from <= LATEST ? from + step.output : time;
    this.#putTimer(called, address(step.timer, step.tag), { time, output: out, droppable });
  }

  #putTimer(called: Called, timer: string, set: Pick<SetTimer, "time" | "output" | "droppable">): void {
    const { model } = called;
    this.#unset(called, timer);
    if (!set.droppable && !timer.startsWith("wait")) this.#around.knows(set.time);
    const inTime = set.output === undefined ? true : set.output >= called.inTimeFrom;
    model.timers.set(timer, { ...set, inTime, poison: this.#poisoned(called, timer) });
  }

  #unset({ model }: Called, timer: string): void {
    const set = model.timers.get(timer);
    if (set?.poison) model.doubtful.push(`${model.key} ${timer}:${set.time}`);
    model.timers.delete(timer);
  }

  #poisoned({ computation }: Called, timer: string): boolean {
    const script = this.#around.scriptOf(computation.name);
    if (timer.startsWith("release")) return false;
    return isPoison(timer.startsWith("flush") ? script.flush : (script.timers[Number(timer.slice(timer.indexOf(":") + 1))] as Program));
  }
}

/** Untagged timers have an empty tag. */
function address(timer: string, tag: number): string {
  return timer === "flush" || timer === "release" ? `${timer}:` : `${timer}:${tag}`;
}

export function isPoison(steps: Program): boolean {
  return steps.some((step) => step.do === "fail" && step.tries === Number.POSITIVE_INFINITY);
}

/** Fails as often as it is tried, and not for ever. */
export function isMortal(steps: Program, attempts: number): boolean {
  return steps.some((step) => step.do === "fail" && step.tries >= attempts && step.tries < Number.POSITIVE_INFINITY);
}
