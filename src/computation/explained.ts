/**
 * What the last calls of a key did: a ring of entries in a cell of its own, which the calls themselves write. So an entry is in
 * the commit of what it tells of, or in none, on every store and across crashes; and a computation without the option is what
 * it would be if there were no such option.
 *
 * X1  A computation does with the option what it does without: what its methods give, throw and write passes through.
 * X2  A call that fails leaves no entry, for it leaves nothing.
 * X3  A ring has at most as many entries as the option says, and EXPLAINED_BYTES; the oldest go first.
 * X4  A ring goes when its key has had no call for its time to live, so a key of which nothing else is left leaves none.
 */
import { inspect } from "node:util";
import { jsonLine } from "../sinks/json-line.ts";
import { type Given, standAround } from "./around-handlers.ts";
import { fieldsOf } from "./binding.ts";
import { checkInteger } from "./checks.ts";
import { checkOptions } from "../options.ts";
import type { Computation } from "./computation.ts";
import type { Context, ProduceOptions } from "./context.ts";
import type { InputHandle } from "./input.ts";
import type { OutputHandle } from "./output.ts";
import { type CellHandle, state, type StateCell } from "./state.ts";
import type { SlotHandle, Timer } from "./timer.ts";
import { days } from "../time.ts";

/** The cell that has a key's ring. */
export const EXPLAIN_CELL = "millrace.explain";
/** Most entries that may be asked for. */
const EXPLAINED_CALLS = 1_000;
/** Letters of all entries of a ring, of one value, and productions of a call that are told one by one. */
const EXPLAINED_BYTES = 65_536;
const VALUE_LENGTH = 2_000;
const NAMED_PRODUCTIONS = 20;

/** A value as one line of JSON, as `toFile` writes it; one that is longer than 2,000 letters has been cut and is no JSON. */
export interface ExplainedValue {
  readonly text: string;
  readonly cut: boolean;
}

/** One call of a key. Times are ms since the epoch. */
export interface Explained {
  /** Number of its shard's commit that holds all of it. */
  readonly commit: number;
  /** Processing time. */
  readonly at: number;
  /** Input watermark at the start of the call. */
  readonly watermark: number;
  readonly record: { readonly stream: string; readonly id: string; readonly timestamp: number; readonly late: boolean; readonly value: ExplainedValue } | null;
  readonly timer: { readonly name: string; readonly tag: string | number | null; readonly time: number; readonly clock: string } | null;
  /** All cells of the computation; null: absent. `after` is `before` where `changed` is false. */
  readonly state: readonly {
    readonly cell: string;
    readonly changed: boolean;
    readonly before: ExplainedValue | null;
    readonly after: ExplainedValue | null;
  }[];
  /** The first 20. `timestamp` null: that of the record or timer. */
  readonly produced: readonly { readonly stream: string; readonly timestamp: number | null; readonly value: ExplainedValue }[];
  readonly producedInAll: number;
  /** `time` null: deleted. */
  readonly timers: readonly { readonly name: string; readonly tag: string | number | null; readonly time: number | null }[];
  /** Where the key holds the watermark from then on; null: no more; absent: not said. */
  readonly hold?: number | null;
  /** It deleted all that there was of the key, before or after what else it did. */
  readonly cleared: boolean;
}

/** The option `explain`; a number is `calls`. */
export interface ExplainOptions {
  /** Of each key, 1 to 1,000. */
  readonly calls: number;
  /** ms after a key's last call at which what was kept of it is gone, by processing time. Default: a day. */
  readonly ttl?: number | undefined;
}

export function explainOptionsOf(where: string, explain: number | ExplainOptions): Required<ExplainOptions> {
  const given = typeof explain === "object" ? explain : { calls: explain };
  checkOptions(`${where}: explain`, given, ["calls", "ttl"]);
  const { calls, ttl = days(1) } = given;
  checkInteger(where, "explain, calls,", calls, 1, EXPLAINED_CALLS);
  checkInteger(where, "explain, ttl, ms,", ttl, 1);
  return { calls, ttl };
}

/** `make` with instances that keep what the last calls of each key did. */
export function explained(make: () => Computation, { calls, ttl }: Required<ExplainOptions>): () => Computation {
  return () => {
    const instance = make();
    const fields = fieldsOf(instance).map(({ handle }) => handle);
    const ring = state<string[]>(EXPLAIN_CELL, { initial: [], ttl });
    const explaining = new Explaining(ring, calls, fields);
    // Own and enumerable: handles are found there, and this is one more.
    Object.defineProperty(instance, EXPLAIN_CELL, { value: ring, enumerable: true });
    standAround(instance, (given, context, handler) => explaining.call(context, given, handler));
    return instance;
  };
}

type Handle = ReturnType<typeof fieldsOf>[number]["handle"];
type Deed = { -readonly [Name in "produced" | "timers"]: Explained[Name][number][] } & { producedInAll: number; hold?: number | null; cleared: boolean };

class Explaining {
  readonly #ring: StateCell<any>;
  readonly #most: number;
  readonly #cells: readonly CellHandle[];
  readonly #inputs: readonly InputHandle[];
  readonly #timers: readonly SlotHandle[];

  constructor(ring: StateCell<any>, most: number, handles: readonly Handle[]) {
    this.#ring = ring;
    this.#most = most;
    this.#cells = handles.filter((handle) => handle.kind === "state") as CellHandle[];
    this.#inputs = handles.filter((handle) => handle.kind === "input") as InputHandle[];
    this.#timers = handles.filter((handle) => handle.kind === "timer" || handle.kind === "timers") as unknown as SlotHandle[];
  }

  call(context: Context, given: Given, run: (watched: Context) => unknown): unknown {
    const before = this.#stateOf(context);
    const rings = [...(context.state(this.#ring).get() as readonly string[])];
    const deed: Deed = { produced: [], producedInAll: 0, timers: [], cleared: false };
    const { watermark } = context;
    const result = run(watching(context, deed));
    const keep = () => {
      const entry: Explained = {
        commit: (context as Context & { readonly commit?: number }).commit ?? 0,
        at: context.now(),
        watermark,
        ...this.#causeOf(given),
        state: this.#changes(before, this.#stateOf(context)),
        ...deed,
      };
      rings.push(JSON.stringify(entry));
      while (rings.length > this.#most) rings.shift();
      for (let length = rings.reduce((total, each) => total + each.length, 0); length > EXPLAINED_BYTES && rings.length > 1; )
        length -= rings.shift()?.length ?? 0;
      context.state(this.#ring).set(rings);
    };
    if (typeof (result as PromiseLike<unknown> | undefined)?.then === "function") return (result as PromiseLike<unknown>).then(keep);
    keep();
    return undefined;
  }

  #stateOf(context: Context): readonly (ExplainedValue | null)[] {
    return this.#cells.map((cell) => {
      const value: unknown = context.state(cell as StateCell<any>).get();
      return value === undefined ? null : valueOf(value);
    });
  }

  #changes(before: readonly (ExplainedValue | null)[], after: readonly (ExplainedValue | null)[]): Explained["state"] {
    return this.#cells.map(({ name }, at) => {
      const [was = null, is = null] = [before[at], after[at]];
      // Of what was cut no one knows whether the rest is the same.
      return { cell: name, changed: was?.text !== is?.text || was?.cut === true, before: was, after: is };
    });
  }

  #causeOf(given: Given): Pick<Explained, "record" | "timer"> {
    if (isTimer(given)) {
      const name = this.#timers.find((each) => given.is(each as never))?.name ?? "";
      return { record: null, timer: { name, tag: (given.tag as string | number | undefined) ?? null, time: given.time, clock: given.clock } };
    }
    const stream = this.#inputs.find((input) => given.is(input as never))?.stream.name ?? "";
    return { record: { stream, id: given.id, timestamp: given.timestamp, late: given.late, value: valueOf(given.value) }, timer: null };
  }
}

const isTimer = (given: Given): given is Timer<unknown> => "clock" in given;

/** The context, and what is done by it. */
function watching(context: Context, deed: Deed): Context {
  const watched: Partial<Context> = {
    produce: (output, value, options?: ProduceOptions) => {
      context.produce(output, value, options);
      deed.producedInAll++;
      if (deed.produced.length < NAMED_PRODUCTIONS)
        deed.produced.push({ stream: (output as unknown as OutputHandle).stream.name, timestamp: options?.timestamp ?? null, value: valueOf(value) });
    },
    setTimer: (slot, time, options) => {
      context.setTimer(slot, time, options);
      deed.timers.push({ ...slotOf(slot as SlotHandle), time });
    },
    deleteTimer: (slot) => {
      context.deleteTimer(slot);
      deed.timers.push({ ...slotOf(slot as SlotHandle), time: null });
    },
    hold: (time) => {
      context.hold(time);
      deed.hold = time ?? null;
    },
    clear: () => {
      context.clear();
      deed.cleared = true;
    },
  };
  return new Proxy(context, {
    get(target, name) {
      const own = watched[name as keyof Context];
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function slotOf({ name, tag }: SlotHandle): { readonly name: string; readonly tag: string | number | null } {
  return { name, tag: tag ?? null };
}

function valueOf(value: unknown): ExplainedValue {
  let text: string;
  try {
    text = jsonLine(value);
  } catch {
    text = inspect(value);
  }
  return text.length <= VALUE_LENGTH ? { text, cut: false } : { text: text.slice(0, VALUE_LENGTH), cut: true };
}
