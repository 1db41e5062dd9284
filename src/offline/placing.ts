/**
 * Where each thing of a participant goes if it has another number of shards: by the key it belongs to. Pure.
 *
 * L1  What belongs to one key comes from one shard and goes to one shard, in its order.
 * L2  Held records and dead letters keep their ids where the number of shards stays. Else they are numbered anew, in the
 *     order of shards and ids, so that the ids follow from the source alone.
 * L3  A record keeps its sender and place, and so its id.
 */
import { IncompatibleDataError } from "../errors.ts";
import { indexOf, shardOf, shardRef, type ShardRef } from "../key.ts";
import { parseStateField, parseTimerMember } from "../store/address.ts";
import type { ParcelAppend } from "../store/commit.ts";
import type { StoredParticipant } from "../store/stored-graph.ts";
import { keyOf, parseDeadLetter, parseHeld } from "../worker/held.ts";
import { cutParcel } from "../worker/parcel.ts";
import type { ContentsEntry, HeadPiece, TimesKind } from "./contents.ts";

export class Placing {
  readonly #from: StoredParticipant;
  readonly #shards: number;
  /** Of the shards before the one whose contents are placed. */
  #heldBefore = 0;
  #deadBefore = 0;
  #head: HeadPiece | undefined = undefined;

  constructor(from: StoredParticipant, shards: number) {
    this.#from = from;
    this.#shards = shards;
  }

  get #moves(): boolean {
    return this.#from.shards !== this.#shards;
  }

  /** Heads come by index, each before what it is the head of. */
  begin(head: HeadPiece): void {
    this.#heldBefore += this.#head?.held.length ?? 0;
    this.#deadBefore += this.#head?.dead.length ?? 0;
    this.#head = head;
  }

  ofState(shard: ShardRef, { name }: ContentsEntry): ShardRef {
    if (!this.#moves) return shard;
    const address = parseStateField(name);
    if (address === undefined) throw this.#unknown(shard, `state field ${JSON.stringify(name)}`);
    return this.#at(address.key);
  }

  ofTime(shard: ShardRef, kind: TimesKind, member: string): ShardRef {
    if (!this.#moves || kind === "ids") return shard;
    if (kind !== "holds") return this.#at(parseTimerMember(member).key);
    const [, of, rest = ""] = /^([a-z]):(.*)$/s.exec(member) ?? [];
    if (of === "k") return this.#at(rest);
    if (of === "t" || of === "w") return this.#at(parseTimerMember(rest).key);
    throw this.#unknown(shard, `hold ${JSON.stringify(member)}`);
  }

  /** Its shard and its id there. */
  ofHeld(shard: ShardRef, { name, bytes }: ContentsEntry): readonly [ShardRef, number] {
    const id = Number(name);
    if (!this.#moves) return [shard, id];
    return [this.#at(keyOf(parseHeld({ id, bytes }).work)), 1 + this.#heldBefore + rankOf(id, this.#head?.held ?? [])];
  }

  ofDead(shard: ShardRef, { name, bytes }: ContentsEntry): readonly [ShardRef, number] {
    const id = Number(name);
    if (!this.#moves) return [shard, id];
    return [this.#at(parseDeadLetter(bytes).key), 1 + this.#deadBefore + rankOf(id, this.#head?.dead ?? [])];
  }

  /** What is left of a parcel of which `consumed` records are consumed, by target. */
  ofParcel(shard: ShardRef, parcel: Uint8Array, consumed: number): ParcelAppend[] {
    const target = (key: string, refused: boolean): ShardRef => (this.#moves ? this.#at(refused ? "" : key) : shard);
    return cutParcel(parcel, consumed, target);
  }

  /** What has no key, for none could be had, is where it always is: in the first shard. */
  #at(key: string): ShardRef {
    return shardRef(this.#from.id, key === "" ? 0 : shardOf(key, this.#shards));
  }

  #unknown(shard: ShardRef, what: string): IncompatibleDataError {
    return new IncompatibleDataError(`${what} in shard ${indexOf(shard)} of "${this.#from.name}" belongs to no key: millrace audit tells more`);
  }
}

function rankOf(id: number, ids: readonly number[]): number {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] as number) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
