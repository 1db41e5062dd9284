/**
 * A whole pipeline in a test: the engine that runs in production, on a `MemoryStore` and a clock that stands still.
 *
 * What differs from production: injectors give what the test pushes, and promise event time by its word alone; sinks
 * write nowhere (read `values`); state and records that user code reads are frozen. Nothing else.
 */
import type { Computation } from "../computation/computation.ts";
import { checkInteger, show } from "../computation/checks.ts";
import { openValue } from "../computation/envelope.ts";
import type { Graph, InputNode, ParticipantNode, SinkNode, StreamNode } from "../computation/graph.ts";
import { isHandle } from "../computation/handle.ts";
import type { Pipeline } from "../computation/pipeline.ts";
import type { OptionalValue, StateCell, Value, View } from "../computation/state.ts";
import type { Stream } from "../computation/stream.ts";
import { systemClock } from "../clock.ts";
import { ConfigError, InvalidUseError } from "../errors.ts";
import { shardOf, shardRef } from "../key.ts";
import { SHARDS } from "../limits.ts";
import { checkOptions } from "../options.ts";
import type { StreamRecord } from "../record.ts";
import { parseTimerMember, stateField, type Tag } from "../store/address.ts";
import type { CommitReply, PipelineStore } from "../store/store.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { parseDeadLetter } from "../worker/held.ts";
import type { PlannedComputation } from "../worker/plan.ts";
import { reconcile } from "../worker/reconcile.ts";
import { startWorker, type Worker } from "../worker/worker.ts";
import { discard, PushedSource, Tap } from "./recorded-edges.ts";
import { VirtualClock } from "./virtual-clock.ts";

type StateOf<C> = {
  [K in keyof C as C[K] extends StateCell<any> ? K : never]: C[K] extends StateCell<infer Access>
    ? Access extends Value<infer T>
      ? View<T>
      : Access extends OptionalValue<infer T>
        ? View<T> | undefined
        : never
    : never;
};
type ClassOf<C> = abstract new (...args: never[]) => C;

export interface TesterOptions {
  /** Where the clock stands at first, ms since the epoch. Default: 2020-01-01. */
  readonly now?: number | undefined;
  /** Most records in one commit; results do not depend on it. Default: 256. */
  readonly batchRecords?: number | undefined;
  /** Shards, in place of the pipeline's own number. */
  readonly shards?: number | undefined;
}

export interface CrashOptions {
  /** `now` (the default): where it stands. The others: at the next commit, just before it is sent, or just after it was applied. */
  readonly at?: "now" | "before-commit" | "after-commit" | undefined;
}

export interface TestedDeadLetter {
  readonly computation: string;
  readonly key: string;
  readonly reason: string;
  readonly attempts: number;
}
export interface TestedTimer {
  readonly name: string;
  readonly tag: Tag;
  readonly time: number;
}

const START = 1_577_836_800_000;
/** Turns of the event loop that a handler's promise is waited for; a longer one goes on in the background. */
const HANDLER_TURNS = 200;

export class PipelineTester {
  readonly #graph: Graph;
  readonly #clock: VirtualClock;
  readonly #store = new MemoryStore();
  readonly #sources = new Map<string, PushedSource>();
  readonly #taps: ReadonlyMap<string, Tap>;
  readonly #options: TesterOptions;
  #worker!: Worker;
  #open!: PipelineStore;
  #crashAt: CrashOptions["at"] = undefined;
  #ids = 0;
  #restarting: Promise<void> = Promise.resolve();
  #error: { readonly error: unknown } | undefined = undefined;

  private constructor(graph: Graph, taps: ReadonlyMap<string, Tap>, options: TesterOptions) {
    this.#graph = this.#pushing(graph);
    this.#taps = taps;
    this.#options = options;
    this.#clock = new VirtualClock(options.now ?? START);
  }

  /** Starts the pipeline, unchanged. Throws what `run` would throw. */
  static async start(pipeline: Pipeline, options: TesterOptions = {}): Promise<PipelineTester> {
    if (!isHandle(pipeline, "pipeline")) throw new ConfigError(`PipelineTester.start(pipeline): the first argument is a Pipeline, but it is ${show(pipeline)}`);
    checkTesterOptions(pipeline.name, options);
    const graph = pipeline.graph();
    const taps = new Map([...graph.streams.keys()].map((name) => [name, new Tap(name)]));
    const tester = new PipelineTester(tapped(graph, taps, options.shards), taps, options);
    await tester.#begin();
    await tester.#rest();
    return tester;
  }

  #pushing(graph: Graph): Graph {
    const participants = graph.participants.map((node): ParticipantNode => {
      if (node.kind === "computation") return node;
      if (node.kind === "sink") return node.target instanceof Tap ? node : { ...node, target: discard(node.target) };
      const source = new PushedSource(node.name, node.source);
      this.#sources.set(node.name, source);
      return { ...node, source };
    });
    return { ...graph, participants };
  }

  async #begin(): Promise<void> {
    const random = { id: () => `test-${(this.#ids += 1)}` };
    this.#open = this.#crashing(await this.#store.open({ pipeline: this.#graph.pipeline, clock: this.#clock, random }));
    const plan = await reconcile(this.#open, this.#graph, []);
    this.#worker = startWorker({
      plan,
      store: this.#open,
      clock: this.#clock,
      random,
      leaseMs: 3_600_000,
      batchRecords: this.#options.batchRecords ?? 256,
      cacheBytes: 256 << 20,
      frozen: true,
      reportEvery: 0,
      log: () => {},
    });
    this.#worker.driver.finished.catch((error: unknown) => {
      this.#error = { error };
    });
  }

  /** The store, with the line at which a commit meets a crash. */
  #crashing(store: PipelineStore): PipelineStore {
    const commit = store.commit.bind(store);
    const never = new Promise<CommitReply>(() => {});
    store.commit = async (commits) => {
      const at = this.#crashAt;
      if (at === undefined) return await commit(commits);
      this.#crashAt = undefined;
      if (at === "after-commit") await commit(commits);
      await this.#restart();
      return await never;
    };
    return store;
  }

  #restart(): Promise<void> {
    const restart = async () => {
      await this.#worker.driver.halt();
      await this.#begin();
    };
    this.#restarting = restart();
    return this.#restarting;
  }

  /** Waits until nothing happens any more without the test or the clock. */
  async #rest(): Promise<void> {
    for (let turns = 0; turns < HANDLER_TURNS; turns++) {
      let worker: Worker;
      do {
        await this.#restarting;
        worker = this.#worker;
        await worker.driver.settled();
        // A worker that crashed meanwhile has settled before the next one is there.
        await this.#restarting;
      } while (worker !== this.#worker);
      if (worker.driver.handlers === 0) break;
      await new Promise<void>((resolve) => systemClock.soon(resolve));
    }
    if (this.#error !== undefined) throw this.#error.error;
  }

  // ── what comes in ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Injects a record with the timestamp `at`, by the (first) injector of the stream. */
  async push<T>(stream: Stream<T>, value: NoInfer<T>, options: { readonly at: number; readonly id?: string | undefined }): Promise<void> {
    checkStream("push", stream);
    checkOptions(`push to stream "${stream.name}"`, options, ["at", "id"]);
    if (typeof (options as { readonly at?: unknown } | undefined)?.at !== "number")
      throw new ConfigError(`push to stream "${stream.name}": give the timestamp, integer ms since the epoch, as in push(stream, value, { at: 1_000 })`);
    const name = this.#injectorsOf(stream)[0];
    if (name === undefined) throw new InvalidUseError(`push: no injector feeds stream "${stream.name}" of pipeline "${this.#graph.pipeline}"`);
    this.#sources.get(name)?.push(value, options.at, options.id);
    await this.#rest();
  }

  /** Promises that nothing older than `to` will be pushed any more: by every injector, or by those of one stream. */
  async advanceWatermark(to: number, options: { readonly of?: Stream<any> | undefined } = {}): Promise<void> {
    checkOptions("advanceWatermark", options, ["of"]);
    if (options.of !== undefined) checkStream("advanceWatermark: of", options.of);
    const names = options.of === undefined ? [...this.#sources.keys()] : this.#injectorsOf(options.of);
    for (const name of names) this.#sources.get(name)?.promise(to);
    await this.#rest();
  }

  /** Moves processing time on, through everything that is due meanwhile. */
  async advanceClock(by: number): Promise<void> {
    const until = this.#clock.now() + by;
    for (let next = this.#clock.next(); next !== undefined && next <= until; next = this.#clock.next()) {
      this.#clock.advance(Math.max(0, next - this.#clock.now()));
      await this.#rest();
    }
    this.#clock.advance(Math.max(0, until - this.#clock.now()));
    await this.#rest();
  }

  /** Ends every input: the watermarks go to the end of time and everything that is left fires. */
  async finish(): Promise<void> {
    for (const source of this.#sources.values()) source.finish();
    await this.#rest();
  }

  /** Kills the worker and starts another on the same store, with new instances of every computation. */
  async crash(options: CrashOptions = {}): Promise<void> {
    const at = options.at ?? "now";
    if (at !== "now") this.#crashAt = at;
    else {
      await this.#restart();
      await this.#rest();
    }
  }

  #injectorsOf(stream: Stream<any>): string[] {
    return this.#graph.participants.filter((node) => node.kind === "injector" && node.stream === stream.name).map((node) => node.name);
  }

  // ── what came of it ─────────────────────────────────────────────────────────────────────────────────────────────

  /** All values that the stream has carried, in the order of their commits. */
  values<T>(stream: Stream<T>): T[] {
    return this.records(stream).map((record) => record.value);
  }

  /** The same with timestamps and ids; `key` is the key under which a record was produced. */
  records<T>(stream: Stream<T>): StreamRecord<T>[] {
    checkStream("the values of a stream", stream);
    const tap = this.#taps.get(stream.name);
    if (tap === undefined) throw new InvalidUseError(`pipeline "${this.#graph.pipeline}" has no stream "${stream.name}"`);
    return [...tap.records] as StreamRecord<T>[];
  }

  /** The committed state of one key, by the names of the class's fields. */
  state<C extends Computation>(computation: ClassOf<C>, key: string): StateOf<C> {
    const planned = this.#planned(computation);
    const shard = shardRef(planned.id, shardOf(key, planned.shards));
    const data = this.#store.data(this.#graph.pipeline);
    const values = data.readState(
      shard,
      planned.cells.map((cell) => stateField(cell.id, key)),
    );
    const state: Record<string, unknown> = {};
    planned.cells.forEach(({ node }, i) => {
      const bytes = values[i];
      const opened = bytes === undefined ? undefined : openValue(node.codec, bytes);
      const gone = opened === undefined || (opened.expiresAt !== undefined && opened.expiresAt <= this.#clock.now());
      state[node.field] = gone ? node.initial : opened.value;
    });
    return state as StateOf<C>;
  }

  /** The pending timers of one key, in the order of their times. */
  timers<C extends Computation>(computation: ClassOf<C>, key: string): TestedTimer[] {
    const planned = this.#planned(computation);
    const shard = this.#worker.engine.computation(shardRef(planned.id, shardOf(key, planned.shards)));
    const found: TestedTimer[] = [];
    for (const clock of ["watermark", "wall"] as const) {
      for (const member of shard?.[clock].ofKey(key) ?? []) {
        const address = parseTimerMember(member);
        const name = planned.timers.find((each) => each.id === address.timer)?.node.name;
        if (name !== undefined) found.push({ name, tag: address.tag, time: shard?.[clock].timeOf(member) as number });
      }
    }
    return found.sort((a, b) => a.time - b.time || (a.name < b.name ? -1 : 1));
  }

  /** The computation's low watermarks, and what holds the output. */
  watermark<C extends Computation>(computation: ClassOf<C>): { input: number; output: number; heldBy: string } {
    const shards = this.#worker.engine.shardsOf(this.#planned(computation));
    const lowest = shards.reduce((low, shard) => (shard.output < low.output ? shard : low));
    const { kind, key, name } = lowest.why();
    const heldBy = [kind, name, key === undefined ? undefined : `key ${JSON.stringify(key)}`].filter((part) => part !== undefined).join(" ");
    return { input: Math.min(...shards.map((shard) => shard.input)), output: lowest.output, heldBy };
  }

  /** Records that were given up, of all participants. */
  deadLetters(): TestedDeadLetter[] {
    const data = this.#store.data(this.#graph.pipeline);
    return this.#worker.engine.options.plan.participants.flatMap(({ id, name, shards }) =>
      Array.from({ length: shards }, (_, index) => data.readDeadLetters(shardRef(id, index), 100_000))
        .flat()
        .map(({ bytes }) => parseDeadLetter(bytes))
        .map(({ key, reason, attempts }) => ({ computation: name, key, reason, attempts })),
    );
  }

  #planned(computation: ClassOf<Computation>): PlannedComputation {
    const { plan, instances } = this.#worker.engine.options;
    for (const participant of plan.participants) {
      if (participant.kind === "computation" && instances.get(participant.id)?.instance instanceof computation) return participant;
    }
    throw new InvalidUseError(`no computation of pipeline "${this.#graph.pipeline}" is a ${computation.name}`);
  }
}

function checkTesterOptions(pipeline: string, options: TesterOptions): void {
  const where = `test of pipeline "${pipeline}"`;
  checkOptions(where, options, ["now", "batchRecords", "shards"]);
  const { now, batchRecords, shards } = options;
  if (now !== undefined) checkInteger(where, "now, ms since the epoch,", now, 0);
  if (batchRecords !== undefined) checkInteger(where, "batchRecords", batchRecords, 1, 10_000);
  if (shards !== undefined) checkInteger(where, "shards", shards, 1, SHARDS);
}

function checkStream(where: string, stream: unknown): void {
  if (isHandle(stream, "stream")) return;
  throw new ConfigError(`${where}: a stream is expected, as made by stream(name), but it is ${show(stream)}`);
}

/** The graph with a tap on every stream. */
function tapped(graph: Graph, taps: ReadonlyMap<string, Tap>, shards: number | undefined): Graph {
  const streams = new Map<string, StreamNode>();
  const sinks: SinkNode[] = [];
  for (const [name, stream] of graph.streams) {
    const input: InputNode = { field: "", name, renamedFrom: [], stream: name, key: () => "" };
    const participant = `tap.${name}`;
    sinks.push({ kind: "sink", name: participant, renamedFrom: [], upstream: [...stream.producers], input, target: taps.get(name) as Tap });
    streams.set(name, { ...stream, consumers: [...stream.consumers, { participant, input }] });
  }
  return { ...graph, shards: shards ?? graph.shards, streams, participants: [...graph.participants, ...sinks] };
}
