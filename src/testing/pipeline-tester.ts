/**
 * A whole pipeline in a test: the engine that runs in production, on a `MemoryStore` and a clock that stands still.
 *
 * What differs from production: injectors give what the test pushes, and promise event time by its word alone; sinks
 * write nowhere (read `values`); state and records that user code reads are frozen. Nothing else.
 */
import { checkInteger, show } from "../computation/checks.ts";
import type { Computation } from "../computation/computation.ts";
import { isHandle } from "../computation/handle.ts";
import type { Pipeline } from "../computation/pipeline.ts";
import type { Stream } from "../computation/stream.ts";
import { systemClock } from "../clock.ts";
import { ConfigError, InvalidUseError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import type { StreamRecord } from "../record.ts";
import type { CommitReply, PipelineStore } from "../store/store.ts";
import type { MemoryData } from "../store/memory-data.ts";
import { MemoryStore } from "../store/memory-store.ts";
import type { Engine } from "../worker/engine.ts";
import type { Plan } from "../worker/plan.ts";
import { reconcile } from "../worker/reconcile.ts";
import { startWorker, type Worker } from "../worker/worker.ts";
import { CommandedFailures, type FailOptions } from "./commanded-failures.ts";
import { RecordedEffects } from "./recorded-effects.ts";
import { ClockedSource, PushedSource, type Tap } from "./recorded-edges.ts";
import { checkTesterOptions, type CrashOptions, type Staged, staged, START, Tester, type TesterOptions } from "./tester.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** Turns of the event loop that a handler's promise is waited for; a longer one goes on in the background. */
const HANDLER_TURNS = 200;

export class PipelineTester extends Tester {
  readonly #clock: VirtualClock;
  readonly #store = new MemoryStore();
  readonly #sources: ReadonlyMap<string, PushedSource | ClockedSource>;
  readonly #taps: ReadonlyMap<string, Tap>;
  readonly #options: TesterOptions;
  protected readonly recordedEffects: RecordedEffects;
  #worker!: Worker;
  #open!: PipelineStore;
  #crashAt: CrashOptions["at"] = undefined;
  #ids = 0;
  #restarting: Promise<void> = Promise.resolve();
  #error: { readonly error: unknown } | undefined = undefined;
  readonly #failures = new CommandedFailures();

  private constructor({ graph, sources, taps }: Staged, options: TesterOptions) {
    super(graph);
    this.#sources = sources;
    this.#taps = taps;
    this.#options = options;
    this.#clock = new VirtualClock(options.now ?? START);
    this.recordedEffects = new RecordedEffects(graph, options.effects ?? "record", this.#clock);
  }

  /** Starts the pipeline, unchanged. Throws what `run` would throw. */
  static async start(pipeline: Pipeline, options: TesterOptions = {}): Promise<PipelineTester> {
    if (!isHandle(pipeline, "pipeline")) throw new ConfigError(`PipelineTester.start(pipeline): the first argument is a Pipeline, but it is ${show(pipeline)}`);
    checkTesterOptions(pipeline.name, options);
    const tester = new PipelineTester(staged(pipeline.graph(), options.shards), options);
    await tester.#begin();
    await tester.rest();
    return tester;
  }

  async #begin(): Promise<void> {
    const random = { id: () => `test-${(this.#ids += 1)}` };
    this.#open = this.#crashing(await this.#store.open({ pipeline: this.graph.pipeline, clock: this.#clock, random }));
    const plan = await reconcile(this.#open, this.graph, []);
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
      // Here a crash is what the test says, never what a record did.
      parkAfterDeaths: 0,
      runner: this.recordedEffects,
      log: () => {},
    });
    this.#failures.watch(this.#worker.engine.options.instances);
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
  protected async rest(): Promise<void> {
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

  // ── what a tester needs ─────────────────────────────────────────────────────────────────────────────────────────

  protected get plan(): Plan {
    return this.#worker.engine.options.plan;
  }
  protected get data(): MemoryData {
    return this.#store.data(this.graph.pipeline);
  }
  protected get engines(): readonly Engine[] {
    return [this.#worker.engine];
  }
  protected get now(): number {
    return this.#clock.now();
  }
  protected carried(stream: string): readonly StreamRecord<unknown>[] | undefined {
    return this.#taps.get(stream)?.records;
  }
  protected inject(injector: string, value: unknown, { at, id }: { readonly at: number; readonly id?: string | undefined }): void {
    const source = this.#sources.get(injector);
    if (source instanceof ClockedSource) throw new InvalidUseError(`push: injector "${injector}" goes by the clock alone: advanceClock gives its records`);
    source?.push(value, at, id);
  }
  protected promise(injector: string, watermark: number): void {
    const source = this.#sources.get(injector);
    if (source instanceof PushedSource) source.promise(watermark);
  }
  protected end(injector: string): void {
    this.#sources.get(injector)?.finish();
  }

  protected async pass(ms: number): Promise<void> {
    const until = this.#clock.now() + ms;
    for (let next = this.#clock.next(); next !== undefined && next <= until; next = this.#clock.next()) {
      this.#clock.advance(Math.max(0, next - this.#clock.now()));
      await this.rest();
    }
    this.#clock.advance(Math.max(0, until - this.#clock.now()));
    await this.rest();
  }

  /**
   * The next calls of a computation's handlers fail: each does its work and throws then, so whatever it did has to leave no
   * trace. Tries count: with two attempts and `times: 2` the record goes to dead letters.
   */
  fail<C extends Computation>(computation: abstract new (...args: never[]) => C, options: FailOptions = {}): void {
    checkOptions("fail", options, ["key", "times", "error"]);
    const { times } = options;
    if (times !== undefined && times !== Number.POSITIVE_INFINITY) checkInteger("fail", "times", times, 1);
    this.#failures.command(computation, options);
    this.#failures.watch(this.#worker.engine.options.instances);
  }

  /**
   * The injectors, or those of one stream, are silent until they are pushed to again: they hold no watermark meanwhile. What is
   * pushed then may be late.
   */
  async idle(options: { readonly of?: Stream<any> | undefined } = {}): Promise<void> {
    checkOptions("idle", options, ["of"]);
    if (options.of !== undefined && !isHandle(options.of, "stream")) throw new ConfigError(`idle: of is a stream, but it is ${show(options.of)}`);
    for (const name of this.injectorsOf(options.of)) {
      const source = this.#sources.get(name);
      if (source instanceof PushedSource) source.rest();
    }
    await this.rest();
    // Silence is noticed by a look at which nothing comes, and that may be the last thing that happened.
    await this.rest();
  }

  /** Kills the worker and starts another on the same store, with new instances of every computation. */
  override async crash(options: CrashOptions = {}): Promise<void> {
    const at = options.at ?? "now";
    if (at !== "now") this.#crashAt = at;
    else {
      await this.#restart();
      await this.rest();
    }
  }
}
