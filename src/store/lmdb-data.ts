/**
 * The data of one pipeline in LMDB. The graph, the watermark authorities, the append counter and the records of the
 * shards in use are also in memory, where every decision is made; the database is told in the order of the decisions.
 *
 * L4  Reports and renewed leases are written with the next group, not on their own. What a crash then forgets was
 *     followed by no commit, and is found again by reporting and acquiring again.
 */
import type { ShardRef } from "../key.ts";
import { DecodeError, messageOf } from "../errors.ts";
import type { Authority, Cell } from "../watermark/authority.ts";
import { isPercentileTrack } from "../watermark/percentile.ts";
import { EmbeddedData } from "./embedded-data.ts";
import type { WrittenLease } from "./embedded-leases.ts";
import { APPENDS, AUTHORITY, checkParticipant, GRAPH, headKey, LEASES, PIPELINE, REMOVED, rangeOf, rangeOfParticipant, refKey, refOf } from "./lmdb-keys.ts";
import { type LmdbReader, numberValue } from "./lmdb-reader.ts";
import { LmdbShard } from "./lmdb-shard.ts";
import type { LmdbWriter, Recorded } from "./lmdb-writer.ts";
import { parseStoredGraph, type StoredGraph } from "./stored-graph.ts";

/** Entries that are removed at once, of a participant that is gone. */
const REMOVED_AT_ONCE = 10_000;

export class LmdbData extends EmbeddedData<LmdbShard> implements Recorded {
  readonly #reader: LmdbReader;
  readonly #writer: LmdbWriter;
  readonly #changed = new Set<number>();
  #leasesChanged = false;

  constructor(reader: LmdbReader, writer: LmdbWriter) {
    super(1);
    this.#reader = reader;
    this.#writer = writer;
    const graph = reader.get(headKey(PIPELINE, GRAPH));
    if (graph !== undefined) this.graph = parseStoredGraph(graph.toString());
    this.appends[0] = reader.number(headKey(PIPELINE, APPENDS)) ?? 0;
    this.leases[0]!.read(leasesOf(reader.get(headKey(PIPELINE, LEASES))));
    for (const { key, value } of reader.entries(rangeOf(PIPELINE, AUTHORITY))) {
      this.authorities.set(refOf(key), authorityOf(value));
    }
  }

  /** Is a commit of this shard under way, applied but not visible? */
  isCommitting(shard: ShardRef): boolean {
    return this.shards.get(shard)?.isCommitting ?? false;
  }

  /** Has the inbox of this shard parcels that are not visible? */
  isAppending(shard: ShardRef): boolean {
    return this.shards.get(shard)?.isAppending ?? false;
  }

  override init(graph: StoredGraph, expected: number | undefined): "stored" | "changed-meanwhile" {
    for (const { id } of graph.participants) checkParticipant(id);
    return super.init(graph, expected);
  }

  /** Removes what removed participants have left, a part at a time; goes on where a crash interrupted it. */
  async sweep(): Promise<void> {
    for (const marker of this.#reader.keys(rangeOf(PIPELINE, REMOVED), Number.POSITIVE_INFINITY)) {
      const range = rangeOfParticipant(refOf(marker));
      for (let keys = this.#reader.keys(range, REMOVED_AT_ONCE); keys.length > 0; keys = this.#reader.keys(range, REMOVED_AT_ONCE)) {
        for (const key of keys) this.#writer.remove(key);
        await this.#writer.written();
      }
      this.#writer.remove(marker);
      await this.#writer.written();
    }
  }

  record(): void {
    for (const participant of this.#changed) {
      const authority = this.authorities.get(participant);
      if (authority !== undefined) this.#writer.put(refKey(PIPELINE, AUTHORITY, participant), Buffer.from(JSON.stringify(authority)));
    }
    this.#changed.clear();
    if (this.#leasesChanged) this.#writer.put(headKey(PIPELINE, LEASES), Buffer.from(JSON.stringify(this.leases[0]!.written())));
    this.#leasesChanged = false;
    this.#writer.put(headKey(PIPELINE, APPENDS), numberValue(this.appends[0]!));
  }

  recorded(): void {}

  protected load(shard: ShardRef): LmdbShard {
    return new LmdbShard(shard, this.#reader, this.#writer);
  }

  protected graphChanged(graph: StoredGraph, removed: readonly number[]): void {
    this.#writer.put(headKey(PIPELINE, GRAPH), Buffer.from(JSON.stringify(graph)));
    for (const participant of removed) {
      this.#changed.delete(participant);
      this.#writer.remove(refKey(PIPELINE, AUTHORITY, participant));
      if (!isPercentileTrack(participant)) this.#writer.put(refKey(PIPELINE, REMOVED, participant), numberValue(graph.version));
    }
  }

  protected authorityChanged(participant: number, _: Authority, why: "registered" | "reported"): void {
    this.#changed.add(participant);
    this.#writer.changed(this, why === "reported");
  }

  protected appended(): void {
    this.#writer.changed(this);
  }

  protected leasesChanged(): void {
    this.#leasesChanged = true;
    this.#writer.changed(this, true);
  }
}

/** As `record` has written them; none where they cannot be read: then leases run as they were granted. */
function leasesOf(value: Buffer | undefined): WrittenLease[] {
  try {
    return value === undefined ? [] : (JSON.parse(value.toString()) as WrittenLease[]);
  } catch {
    return [];
  }
}

/** As `record` has written it. Exported for the fuzzer. */
export function authorityOf(value: Uint8Array): Authority {
  let authority: Partial<Authority> | null;
  try {
    authority = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.length).toString()) as Partial<Authority> | null;
  } catch (error) {
    throw new DecodeError(`stored watermarks are not JSON (${messageOf(error)}); they were damaged`, { cause: error });
  }
  const isTimed = (each: Partial<Cell> | null | undefined): boolean => [each?.output, each?.last].every(Number.isFinite) && STATUSES.has(each?.status);
  const isCell = (each: Partial<Cell> | null): boolean => isTimed(each) && [each?.generation, each?.number, each?.shards].every(Number.isFinite);
  const { owners, cells, published, generation } = authority ?? {};
  const isWhole = Array.isArray(owners) && Array.isArray(cells) && cells.every(isCell) && isTimed(published) && Number.isFinite(generation);
  if (isWhole) return authority as Authority;
  throw new DecodeError("stored watermarks are not what Millrace writes; they were damaged");
}

const STATUSES: ReadonlySet<string | undefined> = new Set(["live", "idle", "back-pressured", "finished"]);
