/**
 * Stores side by side, with one pipeline each: every call of a history goes to the model (the memory store) and to the
 * others, and every answer must be the model's. The same clock and the same randomness for all, so that answers are
 * equal to the last byte: sequencers, leases and times included.
 */
import type { Clock } from "../../src/clock.ts";
import type { MemoryData } from "../../src/store/memory-data.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import type { PipelineStore, Store } from "../../src/store/store.ts";
import { answerOf, type Call, isSame } from "./call.ts";
import type { History } from "./history.ts";
import { type Move, Scenario } from "./scenario.ts";

export interface Contestant {
  readonly name: string;
  readonly store: Store;
  /** Tells it what time it is, where it does not ask the clock it was opened with. */
  readonly setTime?: ((ms: number) => Promise<void>) | undefined;
}

/** Where a store was of another opinion than the model. */
export interface Difference {
  readonly call: Call;
  readonly expected: unknown;
  /** By store: those that answered otherwise. */
  readonly answers: Readonly<Record<string, unknown>>;
  /** All calls up to that one, and those that were open together with it; without those that begin every history. */
  readonly done: readonly Done[];
}

class ArenaClock implements Clock {
  time = 0;
  now(): number {
    return this.time;
  }
  after(ms: number, wake: () => void): () => void {
    const timer = setTimeout(wake, ms);
    return () => clearTimeout(timer);
  }
  soon(wake: () => void): void {
    setImmediate(wake);
  }
}

/** A call, alone or open together with the next one; or something that was done to all stores, in words. */
export type Done = { readonly call: Call; readonly together: boolean } | string;

interface Made {
  readonly call: Call;
  readonly answers: readonly Promise<unknown>[];
}

export class Arena {
  /** Calls that were compared. */
  operations = 0;
  readonly #pipeline: string;
  readonly #contestants: readonly Contestant[];
  readonly #model: MemoryData;
  readonly #clock = new ArenaClock();
  #opened: PipelineStore[] = [];
  #openings = 0;
  #open: Made[] = [];
  #done: Done[] = [];

  private constructor(others: readonly Contestant[], pipeline: string) {
    const memory = new MemoryStore();
    this.#pipeline = pipeline;
    this.#contestants = [{ name: "memory", store: memory }, ...others];
    this.#model = memory.data(pipeline);
  }

  static async open(others: readonly Contestant[], pipeline: string): Promise<Arena> {
    const arena = new Arena(others, pipeline);
    await arena.#openAll();
    return arena;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#open.flatMap(({ answers }) => answers));
    await Promise.all(this.#opened.map((store) => store.close()));
  }

  /** Runs a history and compares all that is stored at its end. Where there was a difference, the arena is of no more use. */
  async run(history: History): Promise<Difference | undefined> {
    const scenario = new Scenario(this.#model, this.#model.readGraph()?.version ?? 0);
    for (const move of scenario.begin()) {
      const difference = await this.#make(scenario, move);
      if (difference !== undefined) return difference;
    }
    this.#done = [];
    for (const step of history) {
      const difference = await this.#make(scenario, scenario.move(step));
      if (difference !== undefined) return difference;
    }
    return this.#make(scenario, { calls: scenario.everything(), waits: true });
  }

  async #openAll(): Promise<void> {
    // One until they are opened again, since stores draw at different moments: sequencers differ by their monotonic parts.
    const opening = ++this.#openings;
    const random = { id: () => `r${opening}` };
    this.#opened = await Promise.all(this.#contestants.map(({ store }) => store.open({ pipeline: this.#pipeline, clock: this.#clock, random })));
  }

  async #make(scenario: Scenario, move: Move): Promise<Difference | undefined> {
    const { calls, waits, clock, reopen } = move;
    const difference = Scenario.isAlone(move) ? await this.#settle(scenario) : undefined;
    if (difference !== undefined) return difference;
    if (reopen === true) {
      this.#done.push("all are closed and opened again");
      await Promise.all(this.#opened.map((store) => store.close()));
      await this.#openAll();
    }
    if (clock !== undefined) {
      this.#done.push(`the clock is ${clock}`);
      this.#clock.time = clock;
      await Promise.all(this.#contestants.map(async ({ setTime }) => setTime?.(clock)));
    }
    for (const call of calls) {
      this.#open.push({ call, answers: this.#opened.map((store) => answerOf(store, call)) });
      scenario.made(call);
    }
    return waits ? this.#settle(scenario) : undefined;
  }

  /** Waits for the answers to all calls that are open, and compares them. */
  async #settle(scenario: Scenario): Promise<Difference | undefined> {
    const open = this.#open;
    this.#open = [];
    const all = await Promise.all(open.map(({ answers }) => Promise.all(answers)));
    this.operations += open.length;
    for (const [i, { call }] of open.entries()) this.#done.push({ call, together: i + 1 < open.length });
    for (const [i, [expected, ...answers]] of all.entries()) {
      const { call } = open[i]!;
      const others = answers.flatMap((answer, n) => (isSame(answer, expected) ? [] : [[this.#contestants[n + 1]!.name, answer] as const]));
      if (others.length > 0) return { call, expected, answers: Object.fromEntries(others), done: this.#done };
      scenario.answered(call, expected);
    }
    return undefined;
  }
}
