/** The open sources and sinks of one simulated worker: what `worker/open-edges.ts` is to a real one, with the tape in the place of promises. */
import { InjectorFailedError, SinkUnavailableError } from "../../errors.ts";
import type { ItemFate, SourceItem } from "../../injectors/injector.ts";
import { indexOf, participantOf, type ShardRef } from "../../key.ts";
import type { Effect } from "../../worker/effect.ts";
import type { Engine } from "../../worker/engine.ts";
import { givenId } from "../../worker/injection.ts";
import type { PlannedInjector } from "../../worker/plan.ts";
import type { SimulatedSource } from "./simulated-edges.ts";
import { name } from "./store-request.ts";
import { check, Violation } from "./violation.ts";
import type { World } from "./world.ts";

type EdgeEffect = Extract<Effect, { readonly kind: "open-source" | "pull" | "confirm" | "open-sink" | "write-sink" | "close-edge" }>;

interface OpenSource {
  aborted: boolean;
  open: boolean;
  /** Items given. */
  at: number;
  /** The items given whose fates are still to be told; marks are not among them. */
  readonly untold: SourceItem[];
}
interface OpenSink {
  open: boolean;
  checkpoint: number;
}

/** Failures of a source in a row; more make the engine give up. */
const FAILURES = 3;
/** Items that a slow source gives at once. */
const FEW = 1;

export class WorkerEdges {
  readonly #engine: Engine;
  readonly #world: World;
  /** Runs something that takes its time, from a moment on. */
  readonly #later: (what: string, from: () => number, run: () => void) => void;
  readonly #sources = new Map<ShardRef, OpenSource>();
  readonly #sinks = new Map<ShardRef, OpenSink>();
  /** In a row, by source: as the engine counts them, up to the next items. */
  readonly #failures = new Map<ShardRef, number>();

  constructor(engine: Engine, world: World, later: (what: string, from: () => number, run: () => void) => void) {
    this.#engine = engine;
    this.#world = world;
    this.#later = later;
  }

  carryOut(effect: EdgeEffect): void {
    switch (effect.kind) {
      case "open-source":
        this.#openSource(effect.shard, effect.position);
        break;
      case "pull":
        this.#pull(effect.shard, effect.max);
        break;
      case "confirm":
        this.#confirm(effect.shard, effect.fates);
        break;
      case "open-sink":
        this.#openSink(effect.shard, effect.checkpoint);
        break;
      case "write-sink":
        this.#writeSink(effect);
        break;
      case "close-edge":
        this.#closeEdge(effect.shard);
        break;
    }
  }

  #openSource(shard: ShardRef, position: unknown): void {
    this.#closeEdge(shard);
    const source: OpenSource = { aborted: false, open: false, at: (position as number | undefined) ?? 0, untold: [] };
    this.#sources.set(shard, source);
    this.#later(`opens source ${name(shard)} after ${source.at}`, this.#takes(), () => {
      if (source.aborted) return;
      if (this.#fails(shard)) this.#engine.injector(shard)?.onSourceFailed(new InjectorFailedError("the simulated source cannot be opened"));
      else {
        source.open = true;
        this.#engine.injector(shard)?.onOpened();
      }
    });
  }

  /** When something outside that begins now is done. */
  #takes(): () => number {
    const { tape, time, faulty } = this.#world;
    const at = time + (faulty ? tape.pick([0, 0, 0, 4, 60, 900]) : 0);
    return () => at;
  }

  /** Few in a row, so that no worker gives up. */
  #fails(source: ShardRef): boolean {
    const before = this.#failures.get(source) ?? 0;
    const fails = before < FAILURES && this.#world.faulty && this.#world.tape.chance(this.#world.edgeFaults);
    if (fails) this.#failures.set(source, before + 1);
    if (fails) this.#world.trace.saw("edge failed");
    return fails;
  }

  #pull(shard: ShardRef, max: number): void {
    const source = this.#sources.get(shard);
    const planned = this.#engine.participant(participantOf(shard));
    if (source === undefined || !source.open || planned === undefined) return;
    const given = this.#world.sourceOf(planned.name)[indexOf(shard)] as SimulatedSource;
    const { items, slow = 0 } = given;
    const time = this.#world.time + (slow > 0 ? this.#world.tape.choose(slow) : 0);
    const most = slow > 0 ? Math.min(max, FEW) : max;
    const from = () => (source.at === items.length && given.open === true ? Number.POSITIVE_INFINITY : Math.max(time, items[source.at]?.arrival ?? 0));
    this.#later(`reads source ${name(shard)} from ${source.at}`, from, () => {
      if (source.aborted) return;
      if (this.#fails(shard)) {
        this.#engine.injector(shard)?.onSourceFailed(new InjectorFailedError("the simulated source cannot be read"));
        return;
      }
      let end = source.at;
      while (end < items.length && end - source.at < most && (items[end]?.arrival ?? 0) <= this.#world.time) end++;
      if (end - source.at > 1 && this.#world.faulty) end -= this.#world.tape.choose(end - source.at);
      const pulled = items.slice(source.at, end).map((each) => each.item);
      if (end > source.at) this.#failures.delete(shard);
      source.at = end;
      for (const item of pulled) if (item.mark !== true) source.untold.push(item);
      this.#engine.injector(shard)?.onPulled(pulled, end === items.length && given.open !== true);
    });
  }

  /** E3: what a reader is told is of its own items, in their order. */
  #confirm(shard: ShardRef, fates: readonly ItemFate[]): void {
    const source = this.#sources.get(shard);
    if (source === undefined || !source.open) return;
    const planned = this.#engine.participant(participantOf(shard)) as PlannedInjector;
    for (const fate of fates) {
      const item = source.untold.shift();
      if (item === undefined) throw new Violation("E3 confirmed twice", `source ${name(shard)} is told of more items than it gave`);
      const { id, refused } = givenId(planned.node.source, item);
      const same = fate.kind === "injected" ? refused === undefined && (id === undefined || fate.id === id) : fate.kind === "refused" || id !== undefined;
      check(same, "E3 confirmed another", () => `source ${name(shard)} is told of ${JSON.stringify(fate)} where its item ${id} is next`);
    }
    const ids = fates.flatMap((fate) => (fate.kind === "injected" ? fate.id : []));
    const sequencer = this.#engine.shards.get(shard)?.sequencer;
    if (sequencer !== undefined) this.#world.losses.confirmed(this.#engine.options.worker, shard, sequencer, ids);
    this.#world.trace.saw("items confirmed");
  }

  #openSink(shard: ShardRef, checkpoint: unknown): void {
    this.#closeEdge(shard);
    const planned = this.#engine.participant(participantOf(shard));
    if (planned === undefined) return;
    // A store that has lost its tail may have lost the first checkpoint with it, which nobody can tell from a new sink.
    const known = (checkpoint as number | undefined) ?? (this.#world.trace.seen.has("tail lost") ? 0 : undefined);
    const sink: OpenSink = { open: false, checkpoint: this.#world.sinkOf(planned.name).open(known) };
    this.#sinks.set(shard, sink);
    this.#later(`opens sink ${name(shard)} at ${sink.checkpoint}`, this.#takes(), () => {
      if (this.#sinks.get(shard) !== sink) return;
      sink.open = true;
      this.#engine.sink(shard)?.onOpened(sink.checkpoint);
    });
  }

  #writeSink({ shard, records }: Extract<Effect, { readonly kind: "write-sink" }>): void {
    const sink = this.#sinks.get(shard);
    const planned = this.#engine.participant(participantOf(shard));
    if (sink === undefined || !sink.open || planned === undefined) return;
    this.#later(`writes ${records.length} records to sink ${name(shard)}`, this.#takes(), () => {
      if (this.#sinks.get(shard) !== sink) return;
      const { tape, faulty, edgeFaults } = this.#world;
      if (faulty && tape.chance(edgeFaults)) {
        this.#world.trace.saw("edge failed");
        if (tape.choose(2) === 0) this.#engine.sink(shard)?.onUnavailable(new SinkUnavailableError("the simulated sink is away"));
        else this.#engine.sink(shard)?.onRecordFailed(new Error("the simulated sink refuses"));
        return;
      }
      const isFirst = this.#world.store.audit.ledger(shard).number === 0 && !this.#world.trace.seen.has("tail lost");
      check(!isFirst, "I1 not anchored", () => `${name(shard)} is written to, and the commit that holds where it stood is not applied`);
      sink.checkpoint = this.#world.sinkOf(planned.name).write(sink.checkpoint, records);
      this.#engine.sink(shard)?.onWritten(sink.checkpoint);
    });
  }

  #closeEdge(shard: ShardRef): void {
    const source = this.#sources.get(shard);
    if (source !== undefined) source.aborted = true;
    this.#sources.delete(shard);
    this.#sinks.delete(shard);
  }
}
