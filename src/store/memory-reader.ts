/** A pipeline's data in memory, as an audit reads it. A page has all there is: what is in memory fits it. */
import { identityOf } from "./outcome.ts";
import type { ShardRef } from "../key.ts";
import type { Authority } from "../watermark/authority.ts";
import type { MemoryData } from "./memory-data.ts";
import type {
  EntryCount,
  EntryKind,
  Found,
  Names,
  Page,
  ParcelPage,
  ReadEntry,
  ReadTime,
  ShardHead,
  StoreReader,
  Stray,
  TimeKind,
  ValuesRead,
} from "./reader.ts";
import type { StoredGraph } from "./stored-graph.ts";

export class MemoryReader implements StoreReader {
  readonly description = "memory";
  readonly generation = 0;
  readonly #data: MemoryData;

  constructor(data: MemoryData) {
    this.#data = data;
  }

  async readGraph(): Promise<StoredGraph | undefined> {
    return this.#data.readGraph();
  }

  async readAuthorities(participants: readonly number[]): Promise<ReadonlyMap<number, Authority>> {
    const authorities = new Map<number, Authority>();
    for (const participant of participants) {
      const authority = this.#data.authority(participant);
      if (authority !== undefined) authorities.set(participant, authority);
    }
    return authorities;
  }

  /** Shards are made from the graph, and nothing is beside them. */
  async readStrays(): Promise<Stray[]> {
    return [];
  }

  async readHead(shard: ShardRef): Promise<ShardHead> {
    const kept = this.#data.shard(shard);
    const { sequencer, monotonic, owner, leaseUntil, number, id, image, position, offset, tail, queued } = kept;
    const consumed = identityOf(kept.consumedIdentity);
    return { shard, sequencer, monotonic, owner, leaseUntil, number, id, image, position, offset, tail, queued, consumed, parcels: tail - position };
  }

  async countEntries(shard: ShardRef): Promise<{ readonly counted: EntryCount; readonly there: EntryCount }> {
    const { counts } = this.#data.shard(shard);
    return { counted: counts, there: counts };
  }

  async readParcels(shard: ShardRef, from: number, maxParcels: number): Promise<ParcelPage> {
    const kept = this.#data.shard(shard);
    const { position, offset, tail, queued } = kept;
    const page = kept.readInbox(from, maxParcels);
    return { from: page.from, position, offset, tail, queued, parcels: page.parcels };
  }

  async readEntries(shard: ShardRef, kind: EntryKind): Promise<Page<ReadEntry>> {
    return { entries: this.#data.shard(shard).entriesOf(kind), next: undefined };
  }

  async readTimes(shard: ShardRef, kind: TimeKind): Promise<Page<ReadTime>> {
    const times = this.#data.shard(shard).timesOf(kind);
    const entries = times.head(Number.POSITIVE_INFINITY).map(({ member, time }) => ({ member, time, ordered: times.get(member) === time }));
    return { entries, next: undefined };
  }

  async lookUp(shard: ShardRef, names: Names): Promise<Found> {
    const kept = this.#data.shard(shard);
    const times = (kind: "watermark" | "wall" | "holds") => names[kind].map((name) => kept.timesOf(kind).get(name));
    return {
      state: kept.readState(names.state),
      watermark: times("watermark"),
      wall: times("wall"),
      holds: times("holds"),
    };
  }

  async readValues(shard: ShardRef, fields: readonly string[]): Promise<ValuesRead> {
    const kept = this.#data.shard(shard);
    return { number: kept.number, values: kept.readState(fields) };
  }

  async close(): Promise<void> {}
}
