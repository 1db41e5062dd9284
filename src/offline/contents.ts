/**
 * What a stopped pipeline holds, in pieces: what `copy` and `export` read and `copy` and `import` write. Owned here: the
 * types. Who reads them is `stored-contents.ts` and `contents-file.ts`; who writes them is `target.ts`.
 *
 * C1  Participants come in the order of the graph and their shards by index. Of each shard its head comes first, and
 *     always; then its entries, kind by kind; its inbox last.
 * C2  An entry may come twice, with the same bytes; a parcel comes once, and those of an inbox in order.
 * C3  Reading twice gives the same: nothing writes meanwhile.
 */
import type { ShardRef } from "../key.ts";
import type { EntryCount } from "../store/reader.ts";
import type { StoredGraph } from "../store/stored-graph.ts";
import type { Published } from "../watermark/authority.ts";

export interface Contents {
  /** For people: where it comes from, without credentials. */
  readonly description: string;
  readonly graph: StoredGraph;
  /** Differs as soon as anything was committed between two readings. */
  readonly fingerprint: string;
  /** Published watermarks, by participant. */
  readonly watermarks: ReadonlyMap<number, Published>;
  /** Of shards that are not `wanted`, the heads only. */
  pieces(wanted: (shard: ShardRef) => boolean): AsyncIterable<Piece>;
}

export type Piece = HeadPiece | EntriesPiece | TimesPiece | InboxPiece;
export type EntriesKind = "state" | "held" | "dead";
export type TimesKind = "watermark" | "wall" | "holds" | "ids";

export const ENTRIES_KINDS: readonly EntriesKind[] = ["state", "held", "dead"];
export const TIMES_KINDS: readonly TimesKind[] = ["watermark", "wall", "holds", "ids"];

export interface HeadPiece {
  readonly kind: "shard";
  readonly shard: ShardRef;
  /** The greatest monotonic part of a sequencer so far. */
  readonly monotonic: number;
  /** undefined: nothing was ever committed. */
  readonly image: Uint8Array | undefined;
  /** Ids in use, rising. */
  readonly held: readonly number[];
  readonly dead: readonly number[];
  /** Entries that are there. */
  readonly counts: EntryCount;
}

/** `name`: a state field, or an id. */
export interface ContentsEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
}
export interface EntriesPiece {
  readonly kind: EntriesKind;
  readonly shard: ShardRef;
  readonly entries: readonly ContentsEntry[];
}

export interface ContentsTime {
  readonly member: string;
  readonly time: number;
}
export interface TimesPiece {
  readonly kind: TimesKind;
  readonly shard: ShardRef;
  readonly entries: readonly ContentsTime[];
}

export interface InboxPiece {
  readonly kind: "inbox";
  readonly shard: ShardRef;
  /** Position of the first parcel. */
  readonly from: number;
  /** Records of the first parcel that are consumed already. */
  readonly offset: number;
  readonly parcels: readonly Uint8Array[];
}
