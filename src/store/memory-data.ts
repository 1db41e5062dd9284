/**
 * The data of one pipeline in memory: the model that the other stores are compared with, and what a simulator calls
 * without promises.
 */
import type { ShardRef } from "../key.ts";
import type { Authority } from "../watermark/authority.ts";
import type { EntryAppend } from "./commit.ts";
import { EmbeddedData } from "./embedded-data.ts";
import { MemoryShard } from "./memory-shard.ts";

export class MemoryData extends EmbeddedData<MemoryShard> {
  /** For a simulator: nobody could read them from outside. */
  readonly streams = new Map<string, EntryAppend[]>();

  constructor(domains = 1) {
    super(domains);
  }

  /** An independent copy of everything: a simulator puts it back to play a store that lost its tail. */
  copy(): MemoryData {
    const copy = new MemoryData(this.domains);
    copy.graph = this.graph;
    for (let domain = 0; domain < this.domains; domain++) copy.appends[domain] = this.appends[domain]!;
    for (const [ref, shard] of this.shards) copy.shards.set(ref, shard.copy());
    for (const [domain, leases] of this.leases.entries()) copy.leases[domain]!.read(leases.written());
    for (const [worker, stored] of this.workers) copy.workers.set(worker, stored);
    for (const [participant, authority] of this.authorities) copy.authorities.set(participant, authority);
    for (const [stream, entries] of this.streams) copy.streams.set(stream, [...entries]);
    return copy;
  }

  /** Who is alive at this time. For a simulator. */
  alive(now: number): string[] {
    return this.readWorkers(now).workers.map(({ worker }) => worker);
  }
  /** For a reader. An InvariantError if it is not in the graph. */
  shard(shard: ShardRef): MemoryShard {
    return this.get(shard);
  }
  /** For a reader. */
  authority(participant: number): Authority | undefined {
    return this.authorities.get(participant);
  }

  protected load(shard: ShardRef): MemoryShard {
    return new MemoryShard(shard);
  }

  protected override readonly appendEntry = (entry: EntryAppend): void => {
    const entries = this.streams.get(entry.stream);
    if (entries === undefined) this.streams.set(entry.stream, [entry]);
    else entries.push(entry);
  };

  // Nothing becomes of a change but the change.
  protected graphChanged(): void {}
  protected authorityChanged(): void {}
  protected appended(): void {}
  protected leasesChanged(): void {}
}
