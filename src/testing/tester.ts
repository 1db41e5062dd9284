/**
 * What a test says to a pipeline and reads of it, whatever runs it: `pipeline-tester.ts` on a clock that stands still,
 * `faulty-tester.ts` in the simulator.
 */
import { EXPLAIN_CELL } from "../computation/explained.ts";
import type { Computation } from "../computation/computation.ts";
import { checkInteger, show } from "../computation/checks.ts";
import { openValue } from "../computation/envelope.ts";
import type { Graph, InputNode, ParticipantNode, StreamNode } from "../computation/graph.ts";
import { isHandle } from "../computation/handle.ts";
import type { OptionalValue, StateCell, Value, View } from "../computation/state.ts";
import type { Stream } from "../computation/stream.ts";
import { ConfigError, InvalidUseError } from "../errors.ts";
import { shardOf, shardRef } from "../key.ts";
import { DEAD_LETTERS, SHARDS } from "../limits.ts";
import { checkOptions } from "../options.ts";
import type { StreamRecord } from "../record.ts";
import { parseTimerMember, stateField, type Tag } from "../store/address.ts";
import type { MemoryData } from "../store/memory-data.ts";
import type { Engine } from "../worker/engine.ts";
import { apply } from "../worker/dead-letters.ts";
import { parseDeadLetter } from "../worker/held.ts";
import type { Plan, PlannedComputation } from "../worker/plan.ts";
import type { RecordedEffects, TestedEffect, TestedEffects } from "./recorded-effects.ts";
import { ClockedSource, discard, PushedSource, Tap } from "./recorded-edges.ts";

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
  /** Where the clock stands at first, ms since the epoch. Default: 2020-01-01 (UTC). */
  readonly now?: number | undefined;
  /** Most records in one commit; results do not depend on it. Default: 256. */
  readonly batchRecords?: number | undefined;
  /** Shards, in place of the pipeline's own number. */
  readonly shards?: number | undefined;
  /** What becomes of the pipeline's effects. Default: `record`, and none is performed. */
  readonly effects?: TestedEffects | undefined;
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

/** Times that a dead letter is asked for while workers die. */
const RETRIES = 100;
/** The default of `TesterOptions.now`. */
export const START = Date.UTC(2020, 0, 1);
/** Timers of a shard that are looked through for those of one key. */
const MOST_TIMERS = 100_000;

export abstract class Tester {
  protected readonly graph: Graph;
  #pushed = 0;

  protected constructor(graph: Graph) {
    this.graph = graph;
  }

  // ── what runs it ────────────────────────────────────────────────────────────────────────────────────────────────

  protected abstract readonly plan: Plan;
  protected abstract readonly recordedEffects: RecordedEffects;
  /** What is committed. */
  protected abstract readonly data: MemoryData;
  /** Of the workers that live. */
  protected abstract readonly engines: readonly Engine[];
  /** The tester's clock, ms since the epoch. */
  protected abstract readonly now: number;
  protected abstract carried(stream: string): readonly StreamRecord<unknown>[] | undefined;
  protected abstract inject(injector: string, value: unknown, options: { readonly at: number; readonly id?: string | undefined }): void;
  protected abstract promise(injector: string, watermark: number): void;
  protected abstract end(injector: string): void;
  /** Moves the clock on, through everything that is due meanwhile. */
  protected abstract pass(ms: number): Promise<void>;
  /** Waits until nothing happens any more without the test or the clock. */
  protected abstract rest(): Promise<void>;

  /** Kills a worker and starts another on the same store, with new instances of every computation. */
  abstract crash(options?: CrashOptions): Promise<void>;

  // ── what comes in ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Injects a record with the timestamp `at`, by the (first) injector of the stream. */
  async push<T>(stream: Stream<T>, value: NoInfer<T>, options: { readonly at: number; readonly id?: string | undefined }): Promise<void> {
    checkStream("push", stream);
    checkOptions(`push to stream "${stream.name}"`, options, ["at", "id"]);
    if (typeof (options as { readonly at?: unknown } | undefined)?.at !== "number")
      throw new ConfigError(`push to stream "${stream.name}": give the timestamp, integer ms since the epoch, as in push(stream, value, { at: 1_000 })`);
    const name = this.injectorsOf(stream)[0];
    if (name === undefined) throw new InvalidUseError(`push: no injector feeds stream "${stream.name}" of pipeline "${this.graph.pipeline}"`);
    this.inject(name, value, { at: options.at, id: options.id ?? this.#newId(name) });
    await this.rest();
  }

  /** For sources of which every item has an id. */
  #newId(injector: string): string | undefined {
    const node = this.graph.participants.find(({ name }) => name === injector);
    return node?.kind === "injector" && node.source.id === "item" ? `pushed-${(this.#pushed += 1)}` : undefined;
  }

  /** Promises that nothing older than `to` will be pushed any more: by every injector, or by those of one stream. */
  async advanceWatermark(to: number, options: { readonly of?: Stream<any> | undefined } = {}): Promise<void> {
    checkOptions("advanceWatermark", options, ["of"]);
    if (options.of !== undefined) checkStream("advanceWatermark: of", options.of);
    for (const name of this.injectorsOf(options.of)) this.promise(name, to);
    await this.rest();
  }

  /** Moves processing time on, through everything that is due meanwhile. */
  async advanceClock(by: number): Promise<void> {
    await this.pass(by);
  }

  /** Ends every input, or those of one stream. When all have ended, the watermarks go to the end of time and everything that is left fires. */
  async finish(options: { readonly of?: Stream<any> | undefined } = {}): Promise<void> {
    checkOptions("finish", options, ["of"]);
    if (options.of !== undefined) checkStream("finish: of", options.of);
    for (const name of this.injectorsOf(options.of)) this.end(name);
    await this.rest();
  }

  /** undefined: of all streams. */
  protected injectorsOf(stream: Stream<any> | undefined): string[] {
    return this.graph.participants.filter((node) => node.kind === "injector" && (stream === undefined || node.stream === stream.name)).map((node) => node.name);
  }

  // ── what came of it ─────────────────────────────────────────────────────────────────────────────────────────────

  /** All values that the stream has carried, in the order of their commits. */
  values<T>(stream: Stream<T>): T[] {
    return this.records(stream).map((record) => record.value);
  }

  /** The same with timestamps and ids; `key` is the key under which a record was produced. */
  records<T>(stream: Stream<T>): StreamRecord<T>[] {
    checkStream("the values of a stream", stream);
    const records = this.carried(stream.name);
    if (records === undefined) throw new InvalidUseError(`pipeline "${this.graph.pipeline}" has no stream "${stream.name}"`);
    return [...records] as StreamRecord<T>[];
  }

  /** The committed state of one key, by the names of the class's fields. */
  state<C extends Computation>(computation: ClassOf<C>, key: string): StateOf<C> {
    const planned = this.#planned(computation);
    const shard = shardRef(planned.id, shardOf(key, planned.shards));
    const values = this.data.readState(
      shard,
      planned.cells.map((cell) => stateField(cell.id, key)),
    );
    const state: Record<string, unknown> = {};
    planned.cells.forEach(({ node }, i) => {
      if (node.name === EXPLAIN_CELL) return;
      const bytes = values[i];
      const opened = bytes === undefined ? undefined : openValue(node.codec, bytes);
      const gone = opened === undefined || (opened.expiresAt !== undefined && opened.expiresAt <= this.now);
      state[node.field] = gone ? node.initial : opened.value;
    });
    return state as StateOf<C>;
  }

  /** The records that an effect was to be performed for, in the order of the first calls. */
  effects<T = unknown>(name: string): TestedEffect<T>[] {
    return this.recordedEffects.of(name) as TestedEffect<T>[];
  }

  /** The pending timers of one key, in the order of their times. */
  timers<C extends Computation>(computation: ClassOf<C>, key: string): TestedTimer[] {
    const planned = this.#planned(computation);
    const shard = shardRef(planned.id, shardOf(key, planned.shards));
    const found: TestedTimer[] = [];
    for (const clock of ["watermark", "wall"] as const) {
      for (const { member, time } of this.data.readTimers(shard, clock, MOST_TIMERS)) {
        const address = parseTimerMember(member);
        const name = planned.timers.find((each) => each.id === address.timer)?.node.name;
        if (name !== undefined && address.key === key) found.push({ name, tag: address.tag, time });
      }
    }
    return found.sort((a, b) => a.time - b.time || (a.name < b.name ? -1 : 1));
  }

  /** The computation's low watermarks, and what holds the output. */
  watermark<C extends Computation>(computation: ClassOf<C>): { input: number; output: number; heldBy: string } {
    const planned = this.#planned(computation);
    const shards = this.engines.flatMap((engine) => engine.shardsOf(planned));
    const lowest = shards.reduce((low, shard) => (shard.output < low.output ? shard : low));
    const { kind, key, name } = lowest.why();
    const heldBy = [kind, name, key === undefined ? undefined : `key ${JSON.stringify(key)}`].filter((part) => part !== undefined).join(" ");
    return { input: Math.min(...shards.map((shard) => shard.input)), output: lowest.output, heldBy };
  }

  /** Records that were given up, of all participants. */
  deadLetters(): TestedDeadLetter[] {
    return this.plan.participants.flatMap(({ id, name, shards }) =>
      Array.from({ length: shards }, (_, index) => this.data.readDeadLetters(shardRef(id, index), 100_000))
        .flat()
        .map(({ bytes }) => parseDeadLetter(bytes))
        .map(({ key, reason, attempts }) => ({ computation: name, key, reason, attempts })),
    );
  }

  /** Has the dead letters of a computation or effect tried again, from their first attempt. Gives how many there were. */
  async retryDeadLetters(participant: string): Promise<number> {
    return await this.#eachDeadLetter(participant, "retry", "cannot be tried again");
  }

  /** Deletes the dead letters of a computation or effect. Gives how many there were. */
  async discardDeadLetters(participant: string): Promise<number> {
    return await this.#eachDeadLetter(participant, "discard", "cannot be deleted");
  }

  async #eachDeadLetter(participant: string, action: "retry" | "discard", cannot: string): Promise<number> {
    const planned = this.plan.participants.find(({ name }) => name === participant);
    if (planned?.kind !== "computation") throw new InvalidUseError(`pipeline "${this.graph.pipeline}" has no computation or effect "${participant}"`);
    const letters = Array.from({ length: planned.shards }, (_, index) => shardRef(planned.id, index)).flatMap((shard) =>
      this.data.readDeadLetters(shard, DEAD_LETTERS).map((letter) => ({ shard, letter })),
    );
    for (const { shard, letter } of letters) {
      // A worker may die before it has committed this; then it is asked for again.
      for (let tries = 0; tries < RETRIES && this.data.readDeadLetters(shard, DEAD_LETTERS).some(({ id }) => id === letter.id); tries++) {
        const owner = this.engines.map((engine) => engine.computation(shard)).find((each) => each !== undefined);
        const refused = owner === undefined ? undefined : apply(action, owner, letter);
        if (refused !== undefined) throw new InvalidUseError(`a dead letter of "${participant}" ${cannot}: ${refused}`);
        await this.rest();
      }
    }
    return letters.length;
  }

  #planned(computation: ClassOf<Computation>): PlannedComputation {
    for (const participant of this.plan.participants) {
      if (participant.kind === "computation" && this.engines[0]?.options.instances.get(participant.id)?.instance instanceof computation) return participant;
    }
    throw new InvalidUseError(`no computation of pipeline "${this.graph.pipeline}" is a ${computation.name}`);
  }
}

/** Throws `ConfigError`. */
export function checkTesterOptions(pipeline: string, options: TesterOptions, more: readonly string[] = []): void {
  const where = `test of pipeline "${pipeline}"`;
  checkOptions(where, options, ["now", "batchRecords", "shards", "effects", ...more]);
  const { now, batchRecords, shards } = options;
  if (now !== undefined) checkInteger(where, "now, ms since the epoch,", now, 0);
  if (batchRecords !== undefined) checkInteger(where, "batchRecords", batchRecords, 1, 10_000);
  if (shards !== undefined) checkInteger(where, "shards", shards, 1, SHARDS);
}

function checkStream(where: string, stream: unknown): void {
  if (isHandle(stream, "stream")) return;
  throw new ConfigError(`${where}: a stream is expected, as made by stream(name), but it is ${show(stream)}`);
}

/** A graph as it is tested, with what takes the place of its edges. */
export interface Staged {
  readonly graph: Graph;
  /** By name of the injector. */
  readonly sources: ReadonlyMap<string, PushedSource | ClockedSource>;
  /** By name of the stream. */
  readonly taps: ReadonlyMap<string, Tap>;
}

/** The graph with a tap on every stream, injectors that give what is pushed (those that go by the clock stay), and sinks that write nowhere. */
export function staged(declared: Graph, shards: number | undefined): Staged {
  const sources = new Map<string, PushedSource | ClockedSource>();
  const participants = declared.participants.map((node): ParticipantNode => {
    if (node.kind === "computation") return node;
    if (node.kind === "sink") return { ...node, target: discard(node.target) };
    const source = node.source.clocked === true ? new ClockedSource(node.source) : new PushedSource(node.name, node.source);
    sources.set(node.name, source);
    return { ...node, source };
  });
  const taps = new Map<string, Tap>();
  const streams = new Map<string, StreamNode>();
  for (const [name, stream] of declared.streams) {
    const target = new Tap(name);
    taps.set(name, target);
    const input: InputNode = { field: "", name, renamedFrom: [], stream: name, key: () => "" };
    const participant = tapOf(name);
    participants.push({ kind: "sink", name: participant, renamedFrom: [], upstream: [...stream.producers], input, target });
    streams.set(name, { ...stream, consumers: [...stream.consumers, { participant, input }] });
  }
  return { graph: { ...declared, shards: shards ?? declared.shards, streams, participants }, sources, taps };
}

/** The name of the sink that is a stream's tap. */
export const tapOf = (stream: string): string => `tap.${stream}`;
