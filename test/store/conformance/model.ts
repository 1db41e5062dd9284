/**
 * Random walks of one store beside the model (`MemoryData`): the same commits, resends, zombies, wrong numbers, wrong
 * parcels, deliveries and reports go to both, and every answer and everything stored must be the same. Seeded: a walk
 * that fails is repeated by its name.
 */
import { expect } from "vitest";
import { indexOf, type ShardRef } from "../../../src/key.ts";
import { PARCEL_IDENTITY_BYTES, type Commit, type Place } from "../../../src/store/commit.ts";
import { MemoryData } from "../../../src/store/memory-data.ts";
import type { Delivery, Status } from "../../../src/store/store.ts";
import type { Bench, Define } from "./bench.ts";
import { ALL, COUNTER, GRAPH, LEASE, bytes, counter, far, farther, joiner, parcel, report, source } from "./values.ts";

const STEPS = 250;
const SHARDS = [source, counter, joiner, report, far, farther];
const KEYS = ["a", "b", "c\u0000", "🔑", "d", "e", "f"];
const STATUSES: readonly Status[] = ["live", "idle", "back-pressured", "finished"];

/** mulberry32: small, seeded, good enough to choose steps. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Who has a shard, by the store's sequencer and by the model's. */
interface Owned {
  readonly store: string;
  readonly model: string;
  number: number;
}

class Walk {
  readonly bench: Bench;
  readonly model: MemoryData;
  readonly pick: (below: number) => number;
  readonly owned = new Map<ShardRef, Owned[]>();
  readonly sent: { readonly store: Commit; readonly model: Commit }[] = [];
  readonly generations = new Map<string, number>();
  #reports = 0;
  parcels = 0;

  constructor(bench: Bench, seed: number) {
    this.bench = bench;
    this.pick = seeded(seed);
    this.model = new MemoryData(bench.store.domains);
    this.model.init(GRAPH, undefined);
  }

  one<T>(list: readonly T[]): T {
    return list[this.pick(list.length)]!;
  }
  some<T>(list: readonly T[], most: number): T[] {
    return [...new Set(Array.from({ length: this.pick(most + 1) }, () => this.one(list)))];
  }
  body(): Uint8Array {
    return bytes("v".repeat(this.pick(3) === 0 ? this.pick(5_000) : this.pick(20)) + this.pick(1_000));
  }

  async step(): Promise<void> {
    const what = this.pick(20);
    if (what === 0 || this.owned.size === 0) return this.acquire();
    if (what === 1) return this.release();
    if (what === 2) return this.resend();
    if (what <= 5) return this.deliver();
    if (what <= 7) return this.report();
    return this.commit();
  }

  async acquire(): Promise<void> {
    const shard = this.one(SHARDS);
    const request = { worker: "w", shards: [shard], leaseMs: LEASE, steal: true };
    const [outcome] = await this.bench.store.acquire(request);
    const [expected] = this.model.acquire(request, this.bench.clock.now(), this.bench.random);
    if (outcome?.kind !== "acquired" || expected?.kind !== "acquired") throw new Error("a steal must succeed");
    const [stored] = this.model.recover([shard], { timers: 0, holds: 0 });
    this.owned.set(shard, [{ store: outcome.sequencer, model: expected.sequencer, number: stored!.number }, ...(this.owned.get(shard) ?? [])]);
  }

  async release(): Promise<void> {
    const [shard, owners] = this.one([...this.owned]);
    const owner = this.one(owners);
    await this.bench.store.release("w", [{ shard, sequencer: owner.store }]);
    this.model.release("w", [{ shard, sequencer: owner.model }]);
  }

  async commit(): Promise<void> {
    const all = [...this.owned.keys()];
    const first = this.one(all);
    const shards = this.some(
      all.filter((shard) => this.model.domainOf(shard) === this.model.domainOf(first)),
      3,
    );
    const commits = shards.map((shard) => {
      const owners = this.owned.get(shard)!;
      const owner = this.pick(12) === 0 ? this.one(owners) : owners[0]!;
      const model: Commit = {
        ...this.effects(shard),
        shard,
        sequencer: owner.model,
        number: owner.number + (this.pick(15) === 0 ? 2 : 1),
        id: this.bench.random.id(),
      };
      return { owner, model, store: this.bench.note({ ...model, sequencer: owner.store }) };
    });
    const reply = await this.bench.store.commit(commits.map(({ store }) => store));
    const expected = this.model.commit(
      commits.map(({ model }) => model),
      0,
    );
    expect(comparable(reply)).toEqual(comparable(expected));
    for (const [i, { owner, store, model }] of commits.entries()) {
      if (expected.outcomes[i] === "committed") owner.number += 1;
      this.sent.push({ store, model });
    }
  }

  /** The outbox's places name the sequencer, so both sides could differ in them: it is left to the other cases. */
  effects(shard: ShardRef): Omit<Commit, "shard" | "sequencer" | "number" | "id"> {
    const fields = this.some(KEYS, 5).map((key) => `2:${key}`);
    const timers = this.some(KEYS, 4).map((key) => ({ clock: this.one(["watermark", "wall"] as const), member: `3:0:${key}`, time: this.pick(6) }));
    const holds = this.some(KEYS, 3).map((key) => ({ member: this.one([`t:3:0:${key}`, `k:${key}`]), time: this.pick(6) - 1 }));
    const targets = SHARDS.filter((target) => indexOf(target) === indexOf(shard));
    return {
      graphVersion: this.pick(25) === 0 ? 2 : 1,
      image: this.body(),
      consumed: this.pick(3) === 0 ? undefined : this.consumption(shard),
      stateFields: fields,
      stateValues: fields.map(() => (this.pick(3) === 0 ? undefined : this.body())),
      timerSets: timers.filter((_, i) => i % 2 === 0),
      timerDeletes: timers.filter((_, i) => i % 2 === 1),
      holdSets: holds.filter((_, i) => i % 2 === 0),
      holdDeletes: holds.filter((_, i) => i % 2 === 1).map(({ member }) => member),
      heldPuts: this.some([1, 2, 3, 10, 20], 2).map((id) => ({ id, bytes: this.body() })),
      heldDeletes: this.some([1, 2, 3, 10, 20], 2),
      deadPuts: this.some([1, 2, 30], 1).map((id) => ({ id, bytes: this.body() })),
      deadDeletes: this.some([1, 2, 30], 1),
      ids: this.some(KEYS, 2).map((id) => ({ id, timestamp: this.pick(100) })),
      idsExpireBelow: this.pick(4) === 0 ? this.pick(100) : undefined,
      parcels: Array.from({ length: this.pick(4) }, () => ({
        target: this.one(targets),
        records: 1 + this.pick(3),
        bytes: parcel(`parcel ${++this.parcels}`, "x".repeat(this.pick(50))),
      })),
      chain: this.one([undefined, undefined, 1, 2]),
      handed: [],
      outbox: [],
      outboxDeletes: [],
      entries: [],
    };
  }

  /** Mostly right; sometimes another parcel is named, or a position that is behind or ahead. */
  consumption(shard: ShardRef): Commit["consumed"] {
    const [stored] = this.model.recover([shard], { timers: 0, holds: 0 });
    const { position, offset, tail, queued } = stored!;
    const { parcels } = this.model.readInbox(shard, position, ALL);
    if (parcels.length === 0) return undefined;
    const skipped = this.pick(Math.min(parcels.length, 3));
    const partly = this.pick(3) === 0;
    const named = parcels[this.pick(10) === 0 ? this.pick(parcels.length) : skipped]!;
    const identity = named.subarray(0, PARCEL_IDENTITY_BYTES);
    const records = Math.min(queued, 1 + skipped);
    if (this.pick(20) === 0) return { position: tail + 1, offset: 0, records, identity };
    if (partly) return { position: position + skipped, offset: (skipped === 0 ? offset : 0) + 1, records, identity };
    return { position: position + skipped + 1, offset: 0, records, identity };
  }

  async resend(): Promise<void> {
    if (this.sent.length === 0) return;
    const { store, model } = this.pick(2) === 0 ? this.sent.at(-1)! : this.one(this.sent);
    expect(comparable(await this.bench.store.commit([store]))).toEqual(comparable(this.model.commit([model], 0)));
  }

  async deliver(): Promise<void> {
    const place = (): Place => ({ monotonic: 1 + this.pick(3), n: 1 + this.pick(3) });
    const to = this.one([far, farther]);
    const deliveries: Delivery[] = Array.from({ length: 1 + this.pick(3) }, () => ({
      from: this.one([counter, joiner]),
      to,
      place: place(),
      previous: this.pick(2) === 0 ? undefined : place(),
      records: 1 + this.pick(3),
      bytes: parcel(`delivery ${++this.parcels}`),
    }));
    expect(comparable(await this.bench.store.deliver(deliveries))).toEqual(comparable(this.model.deliver(deliveries)));
  }

  async report(): Promise<void> {
    const worker = this.one(["w1", "w2", "w3"]);
    if (this.pick(4) === 0) {
      const intervals = [{ participant: COUNTER, shards: this.some([0, 1, 2, 3], 4), of: 4 }];
      const [registered] = await this.bench.store.register(worker, intervals);
      this.generations.set(worker, registered!.generation);
      expect([registered]).toEqual(this.model.register(worker, intervals));
      return;
    }
    const output = this.pick(1_000);
    const given = [
      {
        participant: COUNTER,
        generation: this.generations.get(worker) ?? 1,
        number: this.pick(5) + this.#reports++,
        output,
        status: this.one(STATUSES),
        last: this.pick(1_000),
      },
    ];
    expect(comparable(await this.bench.store.report(worker, given))).toEqual(comparable(this.model.report(worker, given, 0)));
  }

  async compare(): Promise<void> {
    const limits = { timers: ALL, holds: ALL };
    expect(comparable(await this.bench.store.recover(SHARDS, limits))).toEqual(comparable(this.model.recover(SHARDS, limits)));
    const { tails, appends } = await this.bench.tails(SHARDS);
    expect([tails, appends]).toEqual([SHARDS.map((shard) => this.model.readTails([shard]).tails[0]), this.model.report("nobody", [], 0).appends]);
    expect(await this.bench.store.countEntries(COUNTER, 4)).toEqual(this.model.countEntries(COUNTER, 4));
    for (const shard of SHARDS) {
      const fields = KEYS.map((key) => `2:${key}`);
      const { store, model } = { store: this.bench.store, model: this.model };
      expect(comparable(await store.readState(shard, fields))).toEqual(comparable(model.readState(shard, fields)));
      expect(comparable(await store.readInbox(shard, 0, ALL))).toEqual(comparable(model.readInbox(shard, 0, ALL)));
      expect(comparable(await store.readDeadLetters(shard, ALL))).toEqual(comparable(model.readDeadLetters(shard, ALL)));
      expect(await store.readIds(shard, KEYS)).toEqual(model.readIds(shard, KEYS));
    }
  }
}

/** Without clocks, tails in one order, and bytes of any class alike. */
function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString("latin1");
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, each]) => {
    if (name === "now") return [name, 0];
    return [name, name === "tails" ? [...each].sort((x: { shard: number }, y: { shard: number }) => x.shard - y.shard) : comparable(each)];
  });
  return Object.fromEntries(entries);
}

export function model(define: Define): void {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    define(`a random walk of ${STEPS} steps answers and stores as the model does (seed ${seed})`, async (bench) => {
      const walk = new Walk(bench, seed);
      for (let step = 0; step < STEPS; step++) {
        await walk.step();
        if (step % 50 === 49) await walk.compare();
        if (step === STEPS / 2) await bench.reopen();
      }
      await walk.compare();
    });
  }
}
