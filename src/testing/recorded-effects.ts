/**
 * The effects of a pipeline under test: who would have been called, and with what. None is performed unless the test
 * says so. It outlives crashes, as the outside does: a call repeated after one is counted, under the same key.
 */
import type { Clock } from "../clock.ts";
import type { Graph } from "../computation/graph.ts";
import { ConfigError, InvalidUseError } from "../errors.ts";
import type { Perform } from "../effects/effect.ts";
import type { EffectOutcome, EffectRunner, EffectTask } from "../effects/effects.ts";
import { performOnce } from "../effects/in-process.ts";
import { show } from "../options.ts";

/** `record`: calls are recorded, and nothing else; no results. `perform`: the pipeline's own functions. Or functions in their place, by effect. */
export type TestedEffects = "record" | "perform" | { readonly [effect: string]: Perform<any, unknown> };

/** A record that an effect was to be performed for. */
export interface TestedEffect<T> {
  readonly idempotencyKey: string;
  readonly value: T;
  readonly timestamp: number;
  /** How often: more than once after a failure or a crash. */
  readonly calls: number;
}

export class RecordedEffects implements EffectRunner {
  readonly limited = true;
  readonly #effects: TestedEffects;
  readonly #clock: Clock;
  readonly #calls = new Map<string, Map<string, TestedEffect<unknown>>>();

  constructor(graph: Graph, effects: TestedEffects, clock: Clock) {
    this.#effects = effects;
    this.#clock = clock;
    for (const node of graph.participants) if (node.kind === "computation" && node.effect !== undefined) this.#calls.set(node.name, new Map());
    this.#check(graph.pipeline);
  }

  #check(pipeline: string): void {
    const where = `test of pipeline "${pipeline}": effects`;
    if (this.#effects === "record" || this.#effects === "perform") return;
    if (typeof this.#effects !== "object" || this.#effects === null)
      throw new ConfigError(`${where} is "record", "perform" or an object of functions, but it is ${show(this.#effects)}`);
    for (const [name, perform] of Object.entries(this.#effects)) {
      if (!this.#calls.has(name))
        throw new ConfigError(`${where}: the pipeline has no effect ${show(name)}; it has ${[...this.#calls.keys()].join(", ") || "none"}`);
      if (typeof perform !== "function") throw new ConfigError(`${where}: ${name} is a function of (record, call), but it is ${show(perform)}`);
    }
  }

  /** In the order of their first calls. */
  of(effect: string): TestedEffect<unknown>[] {
    const calls = this.#calls.get(effect);
    if (calls === undefined) throw new InvalidUseError(`the pipeline has no effect "${effect}"; it has ${[...this.#calls.keys()].join(", ") || "none"}`);
    return [...calls.values()];
  }

  async perform(task: EffectTask): Promise<EffectOutcome> {
    const { settings, record, idempotencyKey, attempt } = task;
    const calls = this.#calls.get(settings.name) as Map<string, TestedEffect<unknown>>;
    const before = calls.get(idempotencyKey)?.calls ?? 0;
    calls.set(idempotencyKey, { idempotencyKey, value: record.value, timestamp: record.timestamp, calls: before + 1 });
    const perform = this.#effects === "perform" ? settings.perform : this.#effects === "record" ? undefined : this.#effects[settings.name];
    if (perform === undefined) return { kind: "handed-over" };
    return { kind: "performed", value: await performOnce({ ...task, settings: { ...settings, perform } }, this.#clock), attempts: attempt };
  }

  async close(): Promise<void> {}
}
