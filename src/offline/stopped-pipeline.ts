/**
 * A pipeline that no worker runs, for whoever reads or changes its data as a whole: holds every shard of it by a lease of
 * its own, so that no worker can begin meanwhile. Owned here: that lease, and the sentences of who refuses it.
 *
 * P1  Nothing is read or written before all shards are held; a worker that is alive keeps its own, and the command ends.
 * P2  Commands have one name as owners: one that was killed is followed at once, and one that is overtaken is fenced.
 */
import type { Clock } from "../clock.ts";
import { StoreRefusedError, StoreUnavailableError } from "../errors.ts";
import { shardRef, type ShardRef } from "../key.ts";
import type { Random } from "../random.ts";
import { type Commit, monotonicOf, type Sequencer } from "../store/commit.ts";
import type { AcquireOutcome, PipelineStore } from "../store/store.ts";
import type { StoredGraph } from "../store/stored-graph.ts";

/** The owner that other workers see. */
export const COMMAND = "millrace-command";
/** ms that a killed command keeps workers away. */
const LEASE = 6_000;
/** Shards, and commits, of one call. */
const AT_ONCE = 256;
/** ms to wait for the leases of workers that may be dead, and between two looks. */
const PATIENCE = 10_000;
const LOOK_AGAIN = 250;
/** Times that a call is made whose outcome is unknown. */
const TRIES = 8;

export const shardsOf = (graph: StoredGraph): ShardRef[] =>
  graph.participants.flatMap(({ id, shards }) => Array.from({ length: shards }, (_, index) => shardRef(id, index)));

export class StoppedPipeline {
  readonly store: PipelineStore;
  readonly graph: StoredGraph;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #sequencers = new Map<ShardRef, Sequencer>();
  /** Of the last commit of each shard that was written to. */
  readonly #numbers = new Map<ShardRef, number>();
  #renewed: number;

  private constructor(store: PipelineStore, graph: StoredGraph, clock: Clock, random: Random) {
    this.store = store;
    this.graph = graph;
    this.#clock = clock;
    this.#random = random;
    this.#renewed = clock.now();
  }

  /** Takes the shards of `graph`, which is the stored one. Throws a `StoreRefusedError` where a worker has one. */
  static async take(store: PipelineStore, graph: StoredGraph, clock: Clock, random: Random): Promise<StoppedPipeline> {
    const stopped = new StoppedPipeline(store, graph, clock, random);
    try {
      await stopped.#acquire();
      return stopped;
    } catch (error) {
      await stopped.release();
      throw error;
    }
  }

  async #acquire(): Promise<void> {
    const giveUp = this.#clock.now() + PATIENCE;
    const leases = new Map<ShardRef, number>();
    let missing = shardsOf(this.graph);
    for (;;) {
      const heldBy = await this.#acquireOnce(missing);
      if (heldBy.size === 0) return;
      missing = [...heldBy.keys()];
      for (const [shard, outcome] of heldBy) {
        const before = leases.get(shard);
        // Whoever renews is alive; who does not is waited for.
        if ((before !== undefined && outcome.until > before) || this.#clock.now() >= giveUp) throw this.#refused(outcome.worker, heldBy.size);
        leases.set(shard, outcome.until);
      }
      await wait(this.#clock, LOOK_AGAIN);
    }
  }

  async #acquireOnce(shards: readonly ShardRef[]): Promise<Map<ShardRef, AcquireOutcome & { kind: "held-by" }>> {
    const heldBy = new Map<ShardRef, AcquireOutcome & { kind: "held-by" }>();
    for (const part of partsOf(shards)) {
      const outcomes = await this.store.acquire({ worker: COMMAND, shards: part, leaseMs: LEASE, steal: this.store.exclusive });
      part.forEach((shard, i) => {
        const outcome = outcomes[i] as AcquireOutcome;
        if (outcome.kind === "acquired") this.#sequencers.set(shard, outcome.sequencer);
        else heldBy.set(shard, outcome);
      });
    }
    await this.keep();
    return heldBy;
  }

  #refused(worker: string, shards: number): StoreRefusedError {
    const { store, graph } = this;
    return new StoreRefusedError(
      `worker ${worker} is alive and holds ${shards} shards of pipeline "${graph.pipeline}" in ${store.description}: stop all its workers first`,
    );
  }

  sequencerOf(shard: ShardRef): Sequencer {
    return this.#sequencers.get(shard) as Sequencer;
  }

  /** Waits until every sequencer given from now on is above `monotonic`. Throws if that takes longer than `most` ms. */
  async outrun(monotonic: number, most: number): Promise<void> {
    const behind = monotonic + 1 - Math.min(...[...this.#sequencers.values()].map(monotonicOf));
    if (!(behind > 0)) return;
    if (behind > most) {
      throw new StoreRefusedError(
        `the clock of ${this.store.description} is ${Math.ceil(behind / 1_000)} s behind what the data has seen: set the clocks right, and give this command again`,
      );
    }
    await wait(this.#clock, behind);
    await this.#acquireOnce(shardsOf(this.graph));
    await this.outrun(monotonic, most);
  }

  /** Prolongs the leases where it is time. Throws where a shard was lost: what is known of it may be stale. */
  async keep(now?: "now"): Promise<void> {
    if (now === undefined && this.#clock.now() - this.#renewed < LEASE / 4) return;
    this.#renewed = this.#clock.now();
    const leases = [...this.#sequencers].map(([shard, sequencer]) => ({ shard, sequencer }));
    for (const part of partsOf(leases)) {
      const { lost } = await this.#tried(() => this.store.renew(COMMAND, part, LEASE));
      if (lost.length > 0) throw this.#overtaken();
    }
  }

  #overtaken(): StoreRefusedError {
    return new StoreRefusedError(
      `a worker, or another command, has taken pipeline "${this.graph.pipeline}" in ${this.store.description} over meanwhile: stop it, and give this command again`,
    );
  }

  /** Commits what `changes` say, each of another shard, on top of what is stored. */
  async commit(changes: readonly ShardChange[]): Promise<void> {
    await this.#learnNumbers(changes.map(({ shard }) => shard));
    // One call is of one atomic domain.
    const domains = [...new Set(changes.map(({ shard }) => this.store.domainOf(shard)))];
    for (const part of domains.flatMap((domain) => partsOf(changes.filter(({ shard }) => this.store.domainOf(shard) === domain)))) {
      const commits = part.map((change) => this.#sealed(change));
      const { outcomes } = await this.#tried(() => this.store.commit(commits));
      outcomes.forEach((outcome, i) => {
        const { shard, number } = commits[i] as Commit;
        if (outcome === "gap") throw new StoreUnavailableError(`${this.store.description} has lost what was written last: give the command again`);
        if (outcome === "fenced" || outcome === "stale-graph") throw this.#overtaken();
        this.#numbers.set(shard, number);
      });
    }
    await this.keep();
  }

  async #learnNumbers(shards: readonly ShardRef[]): Promise<void> {
    const unknown = shards.filter((shard) => !this.#numbers.has(shard));
    for (const part of partsOf(unknown)) for (const { shard, number } of await this.store.summarize(part)) this.#numbers.set(shard, number);
  }

  #sealed(change: ShardChange): Commit {
    const { shard, image, stateFields = [], stateValues = [], timerSets = [], holdSets = [], heldPuts = [], deadPuts = [], ids = [], parcels = [] } = change;
    return {
      shard,
      sequencer: this.sequencerOf(shard),
      number: (this.#numbers.get(shard) as number) + 1,
      id: this.#random.id(),
      graphVersion: this.graph.version,
      consumed: undefined,
      image,
      stateFields,
      stateValues,
      timerSets,
      timerDeletes: [],
      holdSets,
      holdDeletes: [],
      heldPuts,
      heldDeletes: [],
      deadPuts,
      deadDeletes: [],
      ids,
      idsExpireBelow: undefined,
      parcels,
      handed: [],
      outbox: [],
      outboxDeletes: [],
      entries: [],
    };
  }

  /** The same call again while its outcome is unknown (S4). */
  async #tried<T>(call: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof StoreUnavailableError) || tries === TRIES) throw error;
        await wait(this.#clock, 50 * 2 ** tries);
      }
    }
  }

  /** Gives the shards up; a store that is away lets the leases run out instead. */
  async release(): Promise<void> {
    const leases = [...this.#sequencers].map(([shard, sequencer]) => ({ shard, sequencer }));
    this.#sequencers.clear();
    try {
      for (const part of partsOf(leases)) await this.store.release(COMMAND, part);
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
  }
}

/** What a commit has that is not the same in all of them. */
export type ShardChange = Pick<Commit, "shard" | "image"> &
  Partial<Pick<Commit, "stateFields" | "stateValues" | "timerSets" | "holdSets" | "heldPuts" | "deadPuts" | "ids" | "parcels">>;

export function partsOf<T>(list: readonly T[], size: number = AT_ONCE): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < list.length; from += size) parts.push(list.slice(from, from + size));
  return parts;
}

const wait = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
