/**
 * Stores that are made wrong on purpose, one thing at a time, to see that the differential finds it. Each is a store of
 * ours with a few calls in between; nothing in the code under test knows of these.
 */
import { MemoryStore } from "../../src/store/memory-store.ts";
import type { PipelineStore, Store } from "../../src/store/store.ts";

/** The calls that are answered otherwise. */
type Wrong = (store: PipelineStore) => Partial<PipelineStore>;

export function wronged(store: Store, wrong: Wrong): Store {
  return {
    kind: "store",
    async open(options) {
      const right = await store.open(options);
      const overrides = wrong(right);
      return new Proxy(right, {
        get(target, name) {
          const value: unknown = Reflect.get(overrides, name) ?? Reflect.get(target, name, target);
          return typeof value === "function" ? (...args: unknown[]) => Reflect.apply(value, target, args) as unknown : value;
        },
      });
    },
  };
}

export const wrongMemory = (wrong: Wrong): Store => wronged(new MemoryStore(), wrong);

export const wrongs: Readonly<Record<string, Wrong>> = {
  "keeps timers that a commit deletes": (store) => ({ commit: (commits) => store.commit(commits.map((commit) => ({ ...commit, timerDeletes: [] }))) }),
  "forgets ids a moment too late": (store) => ({
    commit: (commits) =>
      store.commit(commits.map((commit) => ({ ...commit, idsExpireBelow: commit.idsExpireBelow === undefined ? undefined : commit.idsExpireBelow - 1 }))),
  }),
  "puts held records before it deletes": (store) => ({
    commit: (commits) => store.commit(commits.map((commit) => ({ ...commit, heldPuts: commit.heldPuts.filter(({ id }) => !commit.heldDeletes.includes(id)) }))),
  }),
  "does not look at the identity of a parcel": (store) => ({
    async commit(commits) {
      const right = await Promise.all(
        commits.map(async (commit) => {
          if (commit.consumed === undefined) return commit;
          const { position, offset } = commit.consumed;
          const { from, parcels } = await store.readInbox(commit.shard, 0, 1_000).catch(() => ({ from: 0, parcels: [] }));
          const last = parcels[(offset > 0 ? position : position - 1) - from];
          return last === undefined ? commit : { ...commit, consumed: { ...commit.consumed, identity: last.subarray(0, 24) } };
        }),
      );
      return store.commit(right);
    },
  }),
  "takes the commit of an owner that has lost the shard": (store) => ({
    async commit(commits) {
      const owners = await Promise.all(commits.map(({ shard }) => store.summarize([shard]).catch(() => [])));
      return store.commit(commits.map((commit, i) => ({ ...commit, sequencer: owners[i]?.[0]?.sequencer ?? commit.sequencer })));
    },
  }),
  "takes a resent commit for one with a gap": (store) => ({
    async commit(commits) {
      const reply = await store.commit(commits);
      return { ...reply, outcomes: reply.outcomes.map((outcome) => (outcome === "already" ? "gap" : outcome)) };
    },
  }),
  "ends leases a millisecond late": (store) => ({ acquire: (request) => store.acquire({ ...request, leaseMs: request.leaseMs + 1 }) }),
  "lets anyone give up a lease": (store) => ({
    async release(_, leases) {
      for (const lease of leases) {
        const [summary] = await store.summarize([lease.shard]).catch(() => []);
        if (summary?.owner !== undefined) await store.release(summary.owner, [lease]);
      }
    },
  }),
  "takes a report that others have overtaken": (store) => {
    let number = 1_000_000;
    return {
      report: (worker, reports) =>
        store.report(
          worker,
          reports.map((each) => ({ ...each, number: ++number })),
        ),
    };
  },
  "does not tell of a loss": (store) => ({
    async deliver(deliveries) {
      const reply = await store.deliver(deliveries);
      return { ...reply, outcomes: reply.outcomes.map((each) => (each.outcome === "after-loss" ? { ...each, outcome: "delivered" as const } : each)) };
    },
  }),
  "gives two timers at most": (store) => ({ readTimers: async (shard, clock, limit) => (await store.readTimers(shard, clock, limit)).slice(0, 2) }),
  "reads one parcel less than it may": (store) => ({ readInbox: (shard, from, most) => store.readInbox(shard, from, most - 1) }),
  "stores a graph whatever was there": (store) => ({ init: async (graph) => store.init(graph, (await store.readGraph())?.version) }),
};
