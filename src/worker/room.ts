/**
 * Whether the store has room for more, as the announcements of this worker hear it. While it has none, injectors take
 * nothing in, so that what is there already can be worked off; everything else goes on. It measures nothing itself.
 *
 * R1  Injectors that were paused are woken when there is room again.
 */
import type { Engine } from "./engine.ts";
import { InjectorShard } from "./injector-shard.ts";

export class Room {
  readonly #engine: Engine;
  #full = false;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get full(): boolean {
    return this.#full;
  }

  learn(full: boolean): void {
    if (full === this.#full) return;
    this.#full = full;
    const engine = this.#engine;
    const text = full ? "the store is full: injectors pause until it has room again; give it more memory" : "the store has room again: injectors go on";
    engine.effect({ kind: "log", level: "warn", text, fields: { pipeline: engine.options.plan.graph.pipeline } });
    for (const shard of engine.shards.values()) if (shard instanceof InjectorShard) engine.wake(shard);
    engine.reporter.changed();
  }

  /** Must this participant wait until there is room? */
  stops(participant: number): boolean {
    return this.#full && this.#engine.participant(participant)?.kind === "injector";
  }
}
