/** The reads that the engine asks for: carried out on the store, and told to the engine where it still waits for them. */
import { participantOf } from "../key.ts";
import type { PipelineStore } from "../store/store.ts";
import type { Effect } from "./effect.ts";
import type { Engine } from "./engine.ts";

type ReadEffect = Extract<Effect, { readonly kind: `read-${string}` }>;

/** `ask` tells undefined where the store does not answer. */
export function read(
  effect: ReadEffect,
  engine: Engine,
  store: PipelineStore,
  now: () => number,
  ask: <T>(answer: Promise<T>, told: (value: T | undefined) => void) => void,
): void {
  switch (effect.kind) {
    case "read-inbox": {
      // Only what a computation makes of records is undone with their loss; effects leave the system.
      const participant = engine.participant(participantOf(effect.shard));
      const early = participant?.kind === "computation" && participant.node.effect === undefined;
      ask(
        store.readInbox(effect.shard, effect.from, effect.parcels, early),
        (read) => engine.awaits(effect) && engine.onInbox(now(), effect.shard, read?.from ?? effect.from, read?.parcels, read?.tail ?? 0),
      );
      break;
    }
    case "read-state":
      ask(store.readState(effect.shard, effect.fields), (values) => engine.awaits(effect) && engine.computation(effect.shard)?.onState(effect.keys, values));
      break;
    case "read-names":
      ask(
        store.readNames(effect.shard, effect.of, effect.prefixes, effect.cursor, effect.limit),
        (page) => engine.awaits(effect) && engine.computation(effect.shard)?.onNames(page),
      );
      break;
    case "read-timers":
      ask(
        store.readTimers(effect.shard, effect.clock, effect.limit),
        (head) => engine.awaits(effect) && engine.computation(effect.shard)?.onPage(effect.clock, effect.limit, head),
      );
      break;
    case "read-holds":
      ask(
        store.readHolds(effect.shard, effect.limit),
        (head) => engine.awaits(effect) && engine.computation(effect.shard)?.onPage("holds", effect.limit, head),
      );
      break;
    case "read-ids":
      ask(store.readIds(effect.shard, effect.ids), (known) => engine.awaits(effect) && engine.injector(effect.shard)?.onIds(effect.ids, known));
      break;
    case "read-tails":
      ask(store.readTails(effect.shards), (reply) => engine.onTails(now(), effect, reply));
      break;
    case "read-heads":
      ask(store.summarize(effect.shards), (heads) => engine.lostTails.onHeads(effect.shards, heads));
      break;
  }
}
