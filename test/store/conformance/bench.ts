/**
 * What every conformance case works on: one fresh pipeline of a store, with a small graph, owners that count their
 * commits, and a dump of everything stored, by which a case proves that a refusal changed nothing.
 */
import { expect } from "vitest";
import { shardRef, type ShardRef } from "../../../src/key.ts";
import type { Random } from "../../../src/random.ts";
import { PARCEL_IDENTITY_BYTES, type Commit, type CommitOutcome } from "../../../src/store/commit.ts";
import type { CommitReply, Delivery, InboxTail, PipelineStore, WatermarkReport } from "../../../src/store/store.ts";
import type { StoredGraph } from "../../../src/store/stored-graph.ts";
import type { StoreUnderTest } from "../conformance.ts";
import { ALL, GRAPH, LEASE, NOTHING, type Parts, TestClock, parcel, text } from "./values.ts";

export * from "./values.ts";

export type Case = (bench: Bench) => Promise<void>;
export type Define = (name: string, run: Case) => void;

/** One owner of one shard, with its sequencer and its own count of commits. */
export class Owner {
  readonly shard: ShardRef;
  readonly sequencer: string;
  readonly #bench: Bench;
  number: number;

  constructor(bench: Bench, shard: ShardRef, sequencer: string, number: number) {
    this.#bench = bench;
    this.shard = shard;
    this.sequencer = sequencer;
    this.number = number;
  }

  /** The next commit of this owner, unsent. */
  seal(parts: Parts = {}): Commit {
    return this.#bench.note({ ...NOTHING, shard: this.shard, sequencer: this.sequencer, number: this.number + 1, id: this.#bench.random.id(), ...parts });
  }

  async send(parts: Parts = {}): Promise<CommitReply> {
    const reply = await this.#bench.store.commit([this.seal(parts)]);
    if (reply.outcomes[0] === "committed") this.number += 1;
    return reply;
  }

  async outcome(parts: Parts = {}): Promise<CommitOutcome | undefined> {
    return (await this.send(parts)).outcomes[0];
  }

  /** A commit that must succeed. */
  async commit(parts: Parts = {}): Promise<CommitReply> {
    const reply = await this.send(parts);
    expect(reply.outcomes).toEqual(["committed"]);
    return reply;
  }
}

let ids = 0;
const testRandom: Random = { id: () => `id-${(ids++).toString(36).padStart(8, "0")}` };
let pipelines = 0;

export class Bench {
  readonly under: StoreUnderTest;
  readonly clock = new TestClock();
  readonly random: Random = testRandom;
  readonly pipeline: string = `case-${++pipelines}`;
  graph: StoredGraph = GRAPH;
  #store: PipelineStore | undefined = undefined;
  /** Each report is newer than those before it, unless it says otherwise. */
  #reports = 0;
  readonly #others: PipelineStore[] = [];
  readonly #fields = new Map<ShardRef, Set<string>>();
  readonly #ids = new Map<ShardRef, Set<string>>();
  readonly #channels = new Map<string, { from: ShardRef; to: ShardRef }>();

  constructor(under: StoreUnderTest) {
    this.under = under;
  }

  get store(): PipelineStore {
    return this.#store!;
  }

  async open(): Promise<void> {
    this.#store = await this.under.open(this.pipeline, this.clock, this.random);
    expect(await this.store.init(GRAPH, undefined)).toBe("stored");
  }

  /** A second pipeline of the same store. */
  async openOther(): Promise<PipelineStore> {
    const other = await this.under.open(`${this.pipeline}-other`, this.clock, this.random);
    this.#others.push(other);
    return other;
  }

  /** Closes the pipeline and opens it again as a new process would. */
  async reopen(): Promise<void> {
    await this.store.flushed();
    await this.store.close();
    this.#store = undefined;
    this.#store = await this.under.reopen(this.pipeline, this.clock, this.random);
  }

  async close(): Promise<void> {
    for (const store of [...this.#others, this.#store]) await store?.close();
  }

  /** Lets the store's clock go on by at least `ms`. */
  async advance(ms: number): Promise<void> {
    if (this.under.clock === "ours") this.clock.time += ms;
    else await new Promise((resolve) => setTimeout(resolve, ms + 5));
  }

  async acquire(shard: ShardRef, worker = "w1", leaseMs = LEASE): Promise<Owner> {
    const [outcome] = await this.store.acquire({ worker, shards: [shard], leaseMs, steal: true });
    const [recovered] = await this.store.recover([shard], { timers: 0, holds: 0 });
    if (outcome?.kind !== "acquired" || recovered === undefined) throw new Error(`shard ${shard} was not acquired`);
    return new Owner(this, shard, outcome.sequencer, recovered.number);
  }

  async deliver(...deliveries: Delivery[]): Promise<string[]> {
    for (const { from, to } of deliveries) this.#channels.set(`${from}:${to}`, { from, to });
    return (await this.store.deliver(deliveries)).outcomes.map(({ outcome }) => outcome);
  }

  /** Append counters by domain, where that of this shard is `appends` and nothing was appended elsewhere. */
  only(shard: ShardRef, appends: number): number[] {
    return Array.from({ length: this.store.domains }, (_, domain) => (domain === this.store.domainOf(shard) ? appends : 0));
  }

  /** Ends of inboxes of any domains, in the order of `shards`, and append counters by domain. */
  async tails(shards: readonly ShardRef[]): Promise<{ readonly tails: readonly InboxTail[]; readonly appends: readonly number[] }> {
    const appends: number[] = [];
    const tails: InboxTail[] = [];
    for (let domain = 0; domain < this.store.domains; domain++) {
      const mine = shards.filter((shard) => this.store.domainOf(shard) === domain);
      const read = await this.store.readTails(mine);
      appends[domain] = mine.length > 0 ? read.appends : 0;
      tails.push(...read.tails);
    }
    return { tails: shards.map((shard) => tails.find((tail) => tail.shard === shard)!), appends };
  }

  /** The last place that `to` took from `from`; asked with a delivery that is never taken. */
  async mark(from: ShardRef, to: ShardRef): Promise<unknown> {
    const { outcomes } = await this.store.deliver([{ from, to, place: { monotonic: 0, n: 0 }, records: 0, bytes: parcel("probe") }]);
    expect(["duplicate", "behind"]).toContain(outcomes[0]?.outcome);
    return outcomes[0]?.mark;
  }

  async recover(shard: ShardRef, limits = { timers: ALL, holds: ALL }) {
    return (await this.store.recover([shard], limits))[0]!;
  }
  async state(shard: ShardRef, ...fields: string[]): Promise<(string | undefined)[]> {
    return (await this.store.readState(shard, fields)).map(text);
  }
  /** Names of the parcels in an inbox, without the filling. */
  async inbox(shard: ShardRef, from = 0): Promise<string[]> {
    return (await this.store.readInbox(shard, from, ALL)).parcels.map((each) => text(each)!.slice(0, PARCEL_IDENTITY_BYTES).replace(/\.+$/, ""));
  }
  async timers(shard: ShardRef, clock: "watermark" | "wall" = "watermark"): Promise<string[]> {
    return (await this.store.readTimers(shard, clock, ALL)).map(({ member, time }) => `${member}@${time}`);
  }
  async report(worker: string, report: Omit<WatermarkReport, "last" | "number"> & { last?: number; number?: number }) {
    return this.store.report(worker, [{ last: -1, number: ++this.#reports, ...report }]);
  }

  /** Remembers what a commit names, so that `dump` can look there. */
  note(commit: Commit): Commit {
    const remember = (map: Map<ShardRef, Set<string>>, names: readonly string[]): void => {
      const known = map.get(commit.shard) ?? new Set();
      map.set(commit.shard, known);
      for (const name of names) known.add(name);
    };
    remember(this.#fields, commit.stateFields);
    remember(
      this.#ids,
      commit.ids.map(({ id }) => id),
    );
    return commit;
  }

  /** Everything that the store has of this pipeline, as plain data. */
  async dump(): Promise<unknown> {
    const { store } = this;
    const shards = this.graph.participants.flatMap(({ id, shards }) => Array.from({ length: shards }, (_, index) => shardRef(id, index)));
    const each = await Promise.all(
      shards.map(async (shard) => {
        const fields = [...(this.#fields.get(shard) ?? [])];
        const ids = [...(this.#ids.get(shard) ?? [])];
        const values = await store.readState(shard, fields);
        const taken = await store.readIds(shard, ids);
        return {
          inbox: await store.readInbox(shard, 0, ALL),
          state: Object.fromEntries(fields.map((field, i) => [field, values[i]])),
          timers: [await store.readTimers(shard, "watermark", ALL), await store.readTimers(shard, "wall", ALL)],
          holds: await store.readHolds(shard, ALL),
          ids: ids.filter((_, i) => taken[i]),
          dead: await store.readDeadLetters(shard, ALL),
        };
      }),
    );
    const marks = Object.fromEntries(await Promise.all([...this.#channels].map(async ([name, { from, to }]) => [name, await this.mark(from, to)] as const)));
    const { watermarks, appends } = await store.report("nobody", []);
    return plain({
      graph: await store.readGraph(),
      recovered: await store.recover(shards, { timers: ALL, holds: ALL }),
      summaries: await store.summarize(shards),
      tails: await this.tails(shards),
      each,
      marks,
      watermarks,
      appends,
    });
  }

  /** Runs `act`, and fails if anything stored has changed by it. */
  async unchanged(act: () => Promise<unknown>): Promise<void> {
    const before = await this.dump();
    await act();
    expect(await this.dump()).toEqual(before);
  }
}

/** Bytes as text, whatever class holds them, and no undefined properties. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString("latin1");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([name, each]) => (each === undefined ? [] : [[name, plain(each)]])));
}
