/** A pipeline of one computation whose behaviour a test gives as functions: feed -> "probe" -> kept. */
import {
  Computation,
  type ComputeOptions,
  type Context,
  input,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
} from "../../src/index.ts";
import { Feed, Kept } from "./feed.ts";
import { Rig, type RigOptions } from "./rig.ts";

export interface Step {
  readonly key: string;
  readonly do: string;
}

export const steps = stream<Step>("steps");
export const results = stream<string>("results");

type OnRecord = (record: StreamRecord<Step>, context: Context, self: Probe) => void | Promise<void>;
/** One that returns nothing to wait for: another one may call it. */
export type OnRecordNow = (record: StreamRecord<Step>, context: Context, self: Probe) => void;
type OnTimer = (timer: Timer<string>, context: Context, self: Probe) => void | Promise<void>;

export class Probe extends Computation {
  readonly steps = input(steps, { key: (step) => step.key });
  readonly results = output(results);
  /** What was done, in order: changed in place, so that what is not undone shows. */
  readonly seen = state("seen", { initial: [] as string[] });
  readonly event = timers<string>("event");
  readonly wall = timers<string>("wall", { clock: "wall" });
  readonly #onRecord: OnRecord;
  readonly #onTimer: OnTimer;

  constructor(onRecord: OnRecord, onTimer: OnTimer = () => {}) {
    super();
    this.#onRecord = onRecord;
    this.#onTimer = onTimer;
  }

  processRecord(record: StreamRecord<Step>, context: Context): void | Promise<void> {
    return this.#onRecord(record, context, this);
  }

  override processTimer(timer: Timer<string>, context: Context): void | Promise<void> {
    return this.#onTimer(timer, context, this);
  }

  /** Appends to `seen` in place. */
  see(context: Context, what: string): void {
    context.state(this.seen).update((seen) => {
      seen.push(what);
    });
  }
}

export interface Probing {
  readonly onRecord: OnRecord;
  readonly onTimer?: OnTimer;
  readonly compute?: ComputeOptions;
  readonly shards?: number;
  readonly feed?: Feed<Step>;
  readonly kept?: Kept<string>;
}

export class Bench {
  readonly feed: Feed<Step>;
  readonly kept: Kept<string>;
  readonly pipeline: Pipeline;
  rig!: Rig;

  constructor({ onRecord, onTimer, compute, shards = 1, feed = new Feed<Step>(), kept = new Kept<string>() }: Probing) {
    this.feed = feed;
    this.kept = kept;
    this.pipeline = new Pipeline("bench", { shards })
      .inject("feed", steps, this.feed.injector)
      .compute("probe", () => new Probe(onRecord, onTimer), compute)
      .sink("kept", results, this.kept.sink);
  }

  static async start(probing: Probing, options: RigOptions = {}): Promise<Bench> {
    const bench = new Bench(probing);
    bench.rig = await Rig.start(bench.pipeline, options);
    return bench;
  }

  /** Pushes "key:do@at ..." at once and waits until all is quiet. */
  async give(text: string): Promise<void> {
    const parsed = text.split(" ").map((each) => /^([^:]*):([^@]*)@(\d+)$/.exec(each) ?? []);
    this.feed.pushAll(
      parsed.map(([, key = "", what = ""]) => ({ key, do: what })),
      (_, i) => Number(parsed[i]?.[3]),
    );
    await this.rig.rest();
  }

  async promise(watermark: number): Promise<void> {
    this.feed.promise(watermark);
    await this.rig.rest();
  }

  seen(key: string): Promise<unknown> {
    return this.rig.state("probe", "seen", key);
  }
}

/** A promise that the test settles. */
export class Gate {
  readonly promise: Promise<void>;
  open!: () => void;
  fail!: (error: Error) => void;

  constructor() {
    this.promise = new Promise<void>((resolve, reject) => {
      this.open = resolve;
      this.fail = reject;
    });
  }
}
