/**
 * What is made wrong on purpose, one thing at a time, to see that the simulation finds it: stores that break their
 * contract, and engines that take one liberty. Nothing in the code under test knows of these.
 */
import type { CommitReply, WatermarkReport } from "../../src/store/index.ts";
import type { MemoryData } from "../../src/store/memory-data.ts";
import type { MemoryShard } from "../../src/store/memory-shard.ts";
import type { Effect } from "../../src/worker/effect.ts";
import { ComputationShard } from "../../src/worker/computation-shard.ts";
import { Engine } from "../../src/worker/engine.ts";
import type { EngineOptions } from "../../src/worker/engine-options.ts";
import { InboxShard, type OwnedShard } from "../../src/worker/owned-shard.ts";
import type { Wrong } from "../../sim/schedule.ts";

/** What `MemoryData` keeps to itself. */
interface Inside {
  find(shard: number): MemoryShard | undefined;
  readonly authorities: ReadonlyMap<number, { readonly cells: readonly { readonly worker: string | null; readonly generation: number }[] }>;
}
const inside = (data: MemoryData): Inside => data as unknown as Inside;

/** An engine whose shards are tampered with when they are taken over. */
const tampered =
  (tamper: (shard: OwnedShard) => void) =>
  (options: EngineOptions): Engine =>
    new (class extends Engine {
      override adopt(shard: OwnedShard): void {
        tamper(shard);
        super.adopt(shard);
      }
    })(options);

export const wrongs: Readonly<Record<string, Wrong>> = {
  "a store that appends the productions of a commit again when it is sent again": {
    store: (data) => ({
      commit(commits, now) {
        const reply = data.commit(commits, now);
        commits.forEach((commit, i) => {
          if (reply.outcomes[i] === "already") for (const { target, bytes, records } of commit.parcels) inside(data).find(target)?.append(bytes, records);
        });
        return reply;
      },
    }),
  },
  "a store that takes the commit of an owner that has lost the shard": {
    store: (data) => ({
      commit(commits, now) {
        const reply = data.commit(commits, now);
        const outcomes = reply.outcomes.map((outcome, i) => {
          const commit = commits[i] as (typeof commits)[number];
          const sequencer = inside(data).find(commit.shard)?.sequencer;
          return outcome === "fenced" && sequencer !== undefined ? (data.commit([{ ...commit, sequencer }], now).outcomes[0] ?? outcome) : outcome;
        });
        return { ...reply, outcomes };
      },
    }),
  },
  "a store that keeps timers which a commit deletes": {
    store: (data) => ({
      commit: (commits, now) =>
        data.commit(
          commits.map((commit) => ({ ...commit, timerDeletes: [] })),
          now,
        ),
    }),
  },
  "a store that forgets the ids of records": { store: () => ({ readIds: (_shard, ids) => ids.map(() => false) }) },
  "a store that tells a new owner nothing of held records": {
    store: (data) => ({ recover: (shards, limits) => data.recover(shards, limits).map((each) => ({ ...each, held: [] })) }),
  },
  "a store that tells a new owner nothing of holds": {
    store: (data) => ({ recover: (shards, limits) => data.recover(shards, limits).map((each) => ({ ...each, holds: [], holdCount: 0 })) }),
  },
  "a store that takes reports from whoever reports": {
    store: (data) => ({
      report(worker, reports, now) {
        const reply = data.report(worker, reports, now);
        for (const refused of reply.refused) {
          const cell = inside(data).authorities.get(refused)?.cells[0];
          const given = reports.find(({ participant }) => participant === refused) as WatermarkReport;
          if (typeof cell?.worker === "string") data.report(cell.worker, [{ ...given, generation: cell.generation }], now);
        }
        return { ...data.report(worker, [], now), refused: [] };
      },
    }),
  },
  "a store that gives the end of an inbox one parcel too early": {
    store: (data) => ({
      readTails(shards) {
        const { tails, appends } = data.readTails(shards);
        return { tails: tails.map((each) => ({ ...each, tail: Math.max(0, each.tail - 1) })), appends };
      },
    }),
  },
  "an engine that takes `fenced` for committed": {
    engine: (options) =>
      new (class extends Engine {
        override onCommitReply(now: number, call: number, reply: CommitReply): void {
          super.onCommitReply(now, call, { ...reply, outcomes: reply.outcomes.map((outcome) => (outcome === "fenced" ? "committed" : outcome)) });
        }
      })(options),
  },
  "an engine that takes an unknown outcome for committed": {
    engine: (options) =>
      new (class extends Engine {
        #sizes = new Map<number, number>();
        override effect(effect: Effect): void {
          if (effect.kind === "commit") this.#sizes.set(effect.call, effect.commits.length);
          super.effect(effect);
        }
        override onCommitFailed(now: number, call: number): void {
          const outcomes = Array.from({ length: this.#sizes.get(call) ?? 0 }, () => "committed" as const);
          super.onCommitReply(now, call, { outcomes, tails: [], appends: 0, now: 0 });
        }
      })(options),
  },
  "an engine that raises the watermark before it has read the inbox": {
    engine: tampered((shard) => {
      if (!(shard instanceof InboxShard)) return;
      const learn = shard.learnBound.bind(shard);
      shard.learnBound = (bound) => learn(bound, 0);
    }),
  },
  "an engine that holds nothing for what it has done and not committed": {
    engine: tampered((shard) => {
      if (!(shard instanceof ComputationShard)) return;
      const { inbox, watermark, holds, heldHolds } = shard;
      Object.defineProperty(shard, "output", { get: () => Math.min(shard.input, watermark.bound, holds.bound, heldHolds.bound, inbox.smallestHold) });
    }),
  },
  "an engine that goes on with what it remembers of another store": {
    engine: (options) =>
      new (class extends Engine {
        override loseAll(): void {}
      })(options),
  },
};
