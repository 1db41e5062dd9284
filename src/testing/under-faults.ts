/**
 * A user's own pipeline under the simulator: the body of a `PipelineTester` test, run on many schedules in which workers
 * crash, stall and come back, connections break, and the store loses its tail. What holds on all of them does not depend
 * on luck; what fails on one is shown as few events, and can be run again.
 */
import { checkInteger, show } from "../computation/checks.ts";
import type { Graph } from "../computation/graph.ts";
import { isHandle } from "../computation/handle.ts";
import type { Pipeline } from "../computation/pipeline.ts";
import { systemClock } from "../clock.ts";
import { ConfigError, messageOf } from "../errors.ts";
import type { MemoryData } from "../store/memory-data.ts";
import { MemoryStore } from "../store/memory-store.ts";
import type { Plan } from "../worker/plan.ts";
import { reconcile } from "../worker/reconcile.ts";
import { FaultyTester } from "./faulty-tester.ts";
import { askedTwice, Misuse } from "./misuse.ts";
import { shrink } from "./simulation/shrink.ts";
import { tapeOfText, textOfTape } from "./simulation/tape-text.ts";
import { Tape } from "./simulation/tape.ts";
import { shortTimeline } from "./simulation/timeline.ts";
import { Violation } from "./simulation/violation.ts";
import { checkTesterOptions, staged, START, type Tester, type TesterOptions } from "./tester.ts";

export interface UnderFaultsOptions extends TesterOptions {
  /** Schedules, the first of them without any fault. Default: 100. */
  readonly schedules?: number | undefined;
  /** The first seed; each schedule has the next one. Default: 1. */
  readonly seed?: number | undefined;
  /** This schedule alone, as a failure has printed it. */
  readonly tape?: string | undefined;
  /**
   * The store may also come back without its last commits, as Redis does after a failover or, with `appendfsync
   * everysec`, a power failure: sources are read again from where it stands then, and processing time does not go back
   * with it. Default: false.
   */
  readonly lostTail?: boolean | undefined;
  /** Fields that may change although they are no state, as "computation.field": caches, counters for people. Default: none. */
  readonly ignoreFields?: readonly string[] | undefined;
}

/** The body of a test. */
type Scenario = (tester: Tester) => void | Promise<void>;

const SCHEDULES = 100;
/** Looking for a plainer schedule that fails in the same way: runs, and ms, at most. */
const SHRINK_RUNS = 400;
const SHRINK_MS = 5_000;
/** Cells without an end: no fault, everything in order. */
const PLAIN = new Uint32Array(0);

/** A schedule on which the scenario fails. `cause` is what the scenario threw. */
export class ScheduleError extends Error {
  /** For `UnderFaultsOptions.tape`. */
  readonly tape: string;

  constructor(message: string, tape: string, cause: unknown) {
    super(message, { cause });
    this.name = "ScheduleError";
    this.tape = tape;
  }
}

/**
 * Runs `scenario` once for each schedule, with a new tester, new instances of every computation and an empty store. Each
 * `await` of the tester comes back when all that can be done is done and committed. Push several records without awaiting
 * each to let them race.
 *
 * Throws `ScheduleError` for the first schedule on which the scenario throws, or the pipeline keeps state in a field,
 * changes a record in place or has a key that is not the same twice; `ConfigError` for a pipeline or options that are
 * wrong. Handlers that wait for anything but their own promises (timers, sockets) make runs that cannot be repeated.
 */
export async function underFaults(pipeline: Pipeline, options: UnderFaultsOptions, scenario: Scenario): Promise<void> {
  if (!isHandle(pipeline, "pipeline")) throw new ConfigError(`underFaults(pipeline, ...): the first argument is a Pipeline, but it is ${show(pipeline)}`);
  if (typeof scenario !== "function") throw new ConfigError(`underFaults(..., scenario): a function is expected, but it is ${show(scenario)}`);
  checkTesterOptions(pipeline.name, options, ["schedules", "seed", "tape", "lostTail", "ignoreFields"]);
  const { schedules = SCHEDULES, seed = 1, tape } = options;
  checkInteger(`underFaults of pipeline "${pipeline.name}"`, "schedules", schedules, 1);
  checkInteger(`underFaults of pipeline "${pipeline.name}"`, "seed", seed, 0);
  const stage = await Stage.of(pipeline, options, scenario);
  if (tape !== undefined) {
    await stage.check(Tape.of(cellsOf(tape)), "the schedule of this tape", 0);
    return;
  }
  await stage.check(Tape.of(PLAIN), "the schedule without any fault");
  for (let i = 1; i < schedules; i++) await stage.check(Tape.seeded(seed + i - 1), `schedule ${i + 1} of ${schedules}`);
}

function cellsOf(tape: string): Uint32Array {
  try {
    return tapeOfText(tape);
  } catch (error) {
    throw new ConfigError(`underFaults: tape: ${messageOf(error)}`, { cause: error });
  }
}

interface Ran {
  readonly violation: Violation | undefined;
  readonly timeline: readonly string[];
}

/** A pipeline and its scenario, to be run again and again. */
class Stage {
  readonly #graph: Graph;
  readonly #plan: Plan;
  readonly #data: MemoryData;
  readonly #misuse: { current: Misuse };
  readonly #options: UnderFaultsOptions;
  readonly #scenario: Scenario;

  private constructor(graph: Graph, plan: Plan, data: MemoryData, misuse: { current: Misuse }, options: UnderFaultsOptions, scenario: Scenario) {
    this.#graph = graph;
    this.#plan = plan;
    this.#data = data;
    this.#misuse = misuse;
    this.#options = { now: START, ...options };
    this.#scenario = scenario;
  }

  static async of(pipeline: Pipeline, options: UnderFaultsOptions, scenario: Scenario): Promise<Stage> {
    const misuse = { current: new Misuse() };
    const graph = askedTwice(staged(pipeline.graph(), options.shards).graph, misuse);
    const store = new MemoryStore();
    const open = await store.open({ pipeline: graph.pipeline, clock: systemClock, random: { id: () => "" } });
    const plan = await reconcile(open, graph, []);
    return new Stage(graph, plan, store.data(graph.pipeline), misuse, options, scenario);
  }

  /** Throws `ScheduleError` if the scenario fails on this schedule; looks for a plainer one for so many ms. One that was found before is shown as it is. */
  async check(tape: Tape, which: string, shrinkMs: number = SHRINK_MS): Promise<void> {
    const { violation } = await this.#run(tape, false);
    if (violation === undefined) return;
    const until = systemClock.now() + shrinkMs;
    const none: Ran = { violation: undefined, timeline: [] };
    const plain = await shrink(
      tape.read(),
      violation.rule,
      (each) => (systemClock.now() >= until ? Promise.resolve(none) : this.#run(each, false)),
      SHRINK_RUNS,
    );
    const shown = await this.#run(Tape.of(plain.cells), true);
    const found = shown.violation ?? violation;
    const text = textOfTape(plain.cells);
    const events = shortTimeline(shown.timeline, this.#plan).map((line) => `  ${line}`);
    throw new ScheduleError(
      `pipeline "${this.#graph.pipeline}" fails on ${which}: ${found.text}\n\n${events.join("\n")}\n\nThis schedule alone: underFaults(pipeline, { tape: "${text}" }, scenario)`,
      text,
      found.cause ?? found,
    );
  }

  async #run(tape: Tape, recording: boolean): Promise<Ran> {
    const misuse = new Misuse(this.#options.ignoreFields);
    this.#misuse.current = misuse;
    const setting = {
      graph: this.#graph,
      plan: this.#plan,
      data: this.#data.copy(),
      tape,
      options: this.#options,
      recording,
      losesTail: this.#options.lostTail === true,
      misuse,
    };
    const tester = new FaultyTester(setting);
    let violation: Violation | undefined;
    try {
      await this.#scenario(tester);
    } catch (error) {
      violation = error instanceof Violation ? error : new Violation("scenario", messageOf(error), { cause: error });
    }
    // What the user can mend comes first: the rest may only follow from it.
    const [found] = misuse.texts;
    if (found !== undefined) violation = new Violation("misuse", found, { cause: violation?.cause });
    if (violation !== undefined) tester.simulation.trace.line(() => `FAILS ${violation?.text.split("\n", 1)[0]}`);
    return { violation, timeline: tester.simulation.trace.lines };
  }
}
