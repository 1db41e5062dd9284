/**
 * The open sources and sinks of a worker's shards: carries out the engine's wishes for them, and tells it what came of it.
 *
 * E1  An edge that was closed, or opened again, while it was opening tells nobody anything: its shard may have been lost
 *     and acquired anew meanwhile, from another position.
 * E2  Where a sink stood when this worker first opened it is remembered: a store that lost its tail may have lost that
 *     too, and what was written since would then be taken for what was there before.
 */
import type { Clock } from "../clock.ts";
import { messageOf, SinkLostDataError, SinkUnavailableError } from "../errors.ts";
import type { SourceReader } from "../injectors/injector.ts";
import { openSource, ValidatedReader } from "../injectors/validated-source.ts";
import { indexOf, participantOf, type ShardRef } from "../key.ts";
import type { SinkWriter } from "../sinks/sink.ts";
import type { Effect } from "./effect.ts";
import type { Engine } from "./engine.ts";

type Of<Kind extends Effect["kind"]> = Extract<Effect, { readonly kind: Kind }>;
export type EdgeEffect = Of<"open-source" | "pull" | "confirm" | "open-sink" | "write-sink" | "close-edge">;

interface OpenSource {
  readonly abort: AbortController;
  reader: SourceReader | undefined;
}

export class OpenEdges {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #warn: (text: string) => void;
  readonly #sources = new Map<ShardRef, OpenSource>();
  readonly #sinks = new Map<ShardRef, SinkWriter>();
  /** Of sinks that are being opened: what tells one opening from another. */
  readonly #opening = new Map<ShardRef, object>();
  /** Of sinks that were opened without a checkpoint: what they said is to be committed in its place (E2). */
  readonly #initial = new Map<ShardRef, unknown>();

  constructor(engine: Engine, clock: Clock, warn: (text: string) => void) {
    this.#engine = engine;
    this.#clock = clock;
    this.#warn = warn;
  }

  /** Settles when the engine has been told; never rejects. */
  carryOut(effect: EdgeEffect): Promise<void> {
    switch (effect.kind) {
      case "open-source":
        return this.#openSource(effect.shard, effect.position);
      case "pull":
        return this.#pull(effect.shard, effect.max);
      case "confirm":
        return this.#confirm(effect);
      case "open-sink":
        return this.#openSink(effect.shard, effect.checkpoint);
      case "write-sink":
        return this.#writeSink(effect);
      case "close-edge":
        return this.#closeEdge(effect.shard);
    }
  }

  /** Sources that wait for what their schema says of a value. */
  get validating(): number {
    let count = 0;
    for (const { reader } of this.#sources.values()) if (reader instanceof ValidatedReader && reader.validating) count++;
    return count;
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#sources.keys(), ...this.#sinks.keys(), ...this.#opening.keys()].map((shard) => this.#closeEdge(shard)));
  }

  async #openSource(shard: ShardRef, position: unknown): Promise<void> {
    const planned = this.#engine.participant(participantOf(shard));
    if (planned?.kind !== "injector") return;
    const closed = this.#closeEdge(shard);
    const source: OpenSource = { abort: new AbortController(), reader: undefined };
    this.#sources.set(shard, source);
    await closed;
    if (source.abort.signal.aborted) return;
    try {
      const context = { partition: indexOf(shard), signal: source.abort.signal, clock: this.#clock, warn: this.#warn };
      source.reader = await openSource(planned.node.source, context, position);
      if (source.abort.signal.aborted) await source.reader.close();
      else this.#engine.injector(shard)?.onOpened();
    } catch (error) {
      if (!source.abort.signal.aborted) this.#engine.injector(shard)?.onSourceFailed(error);
    }
  }

  async #pull(shard: ShardRef, max: number): Promise<void> {
    const source = this.#sources.get(shard);
    if (source?.reader === undefined) return;
    try {
      const { items, done } = await source.reader.pull(max);
      if (!source.abort.signal.aborted) this.#engine.injector(shard)?.onPulled(items, done);
    } catch (error) {
      if (!source.abort.signal.aborted) this.#engine.injector(shard)?.onSourceFailed(error);
    }
  }

  async #confirm({ shard, fates }: Of<"confirm">): Promise<void> {
    try {
      this.#sources.get(shard)?.reader?.confirm?.(fates);
    } catch (error) {
      this.#engine.injector(shard)?.onSourceFailed(error);
    }
  }

  async #openSink(shard: ShardRef, checkpoint: unknown): Promise<void> {
    const planned = this.#engine.participant(participantOf(shard));
    if (planned?.kind !== "sink") return;
    const opening = {};
    const closed = this.#closeEdge(shard);
    this.#opening.set(shard, opening);
    await closed;
    try {
      const writer = await planned.node.target.open(checkpoint ?? this.#initial.get(shard));
      if (this.#opening.get(shard) !== opening) {
        await writer.close();
        return;
      }
      this.#sinks.set(shard, writer);
      if (writer.initial !== undefined && checkpoint === undefined) this.#initial.set(shard, writer.initial);
      this.#engine.sink(shard)?.onOpened(checkpoint === undefined ? this.#initial.get(shard) : undefined);
    } catch (error) {
      if (this.#opening.get(shard) === opening) this.#sinkFailed(shard, error);
    }
  }

  async #writeSink({ shard, records }: Of<"write-sink">): Promise<void> {
    const writer = this.#sinks.get(shard);
    if (writer === undefined) return;
    try {
      const checkpoint = await writer.write(records);
      if (this.#sinks.get(shard) === writer) this.#engine.sink(shard)?.onWritten(checkpoint);
    } catch (error) {
      if (this.#sinks.get(shard) === writer) this.#sinkFailed(shard, error);
    }
  }

  #sinkFailed(shard: ShardRef, error: unknown): void {
    const code = (error as { code?: unknown }).code;
    if (error instanceof SinkLostDataError || code === "config") this.#engine.fail(error);
    else if (error instanceof SinkUnavailableError) this.#engine.sink(shard)?.onUnavailable(error);
    else if (this.#engine.sink(shard)?.writing) this.#engine.sink(shard)?.onRecordFailed(error);
    else this.#engine.fail(error);
  }

  async #closeEdge(shard: ShardRef): Promise<void> {
    const source = this.#sources.get(shard);
    this.#sources.delete(shard);
    source?.abort.abort();
    this.#opening.delete(shard);
    const writer = this.#sinks.get(shard);
    this.#sinks.delete(shard);
    try {
      await source?.reader?.close();
      await writer?.close();
    } catch (error) {
      this.#warn(`closing an edge failed: ${messageOf(error)}`);
    }
  }
}
