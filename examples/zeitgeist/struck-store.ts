/**
 * A store around the real one that makes a worker stop at a chosen point of a commit, so that it can be killed exactly
 * there. It changes nothing until it strikes, and afterwards no outcome reaches the engine any more:
 *
 *   before   the commit is never handed to the store
 *   during   the commit has been handed over, and no outcome has come
 *   after    the store has given its outcome, and the engine does not learn it
 */
import type { Commit, CommitReply, OpenOptions, PipelineStore, RecoveredShard, RecoverLimits, Store } from "../../src/store/index.ts";

export type Point = "before" | "during" | "after";

export interface Strike {
  /** Where the next commit is to stop; undefined: let it pass. Asked before each commit. */
  due(): Point | undefined;
  /** A commit stands at this point, while `waiting` records wait in the inboxes. */
  reached(point: Point, waiting: number): void;
  /** Shards were taken over, with this many records in their inboxes. */
  recovered(waiting: number): void;
}

export function struckStore(inner: Store, strike: Strike): Store {
  return { kind: "store", open: async (options: OpenOptions) => striking(await inner.open(options), strike) };
}

function striking(store: PipelineStore, strike: Strike): PipelineStore {
  const inboxes = new Inboxes();
  let struck = false;
  const commit = async (commits: readonly Commit[]): Promise<CommitReply> => {
    const point = struck || inboxes.waiting === 0 ? undefined : strike.due();
    if (point === undefined && !struck) return inboxes.follow(commits, await store.commit(commits));
    if (struck) return never();
    struck = true;
    // Said before it is so: the call may keep this thread busy until the commit is over, and the kill must come within it.
    if (point !== "after") strike.reached(point as Point, inboxes.waiting);
    if (point === "before") return never();
    await store.commit(commits);
    strike.reached("after", inboxes.waiting);
    return never();
  };
  const recover = async (shards: readonly number[], limits: RecoverLimits): Promise<readonly RecoveredShard[]> => {
    const recovered = await store.recover(shards, limits);
    for (const { shard, queued } of recovered) inboxes.set(shard, queued);
    strike.recovered(recovered.reduce((sum, { queued }) => sum + queued, 0));
    return recovered;
  };
  const own: Record<string | symbol, unknown> = { commit, recover };
  return new Proxy(store, {
    get(target, name) {
      if (name in own) return own[name];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (own[name] = value.bind(target) as unknown) : value;
    },
  });
}

const never = (): Promise<never> => new Promise(() => {});

/** Records that wait in inboxes, as far as the store's replies tell. */
class Inboxes {
  readonly #queued = new Map<number, number>();
  waiting = 0;

  set(shard: number, queued: number): void {
    this.waiting += queued - (this.#queued.get(shard) ?? 0);
    this.#queued.set(shard, queued);
  }

  follow(commits: readonly Commit[], reply: CommitReply): CommitReply {
    commits.forEach(({ shard, consumed }, i) => {
      if (consumed !== undefined && reply.outcomes[i] === "committed") this.set(shard, (this.#queued.get(shard) ?? 0) - consumed.records);
    });
    // As of the end of the call, so these have the last word.
    for (const { shard, queued } of reply.tails) this.set(shard, queued);
    return reply;
  }
}
