/**
 * What the auditor knows of one shard's outbox, from the commits and deliveries that were applied: what was produced for
 * other atomic domains, whether it is there, and what is still stored of it.
 *
 * A10 What a delivery appends was produced by a commit of its sender, with the same bytes; it is appended once, and in
 *     each channel in the order in which it was produced. An entry is deleted only when it has been delivered.
 */
import type { Commit } from "../../store/commit.ts";
import type { Delivery, DeliverOutcome, StoredOutboxEntry } from "../../store/store.ts";
import { END } from "../../time.ts";
import { unpackParcel } from "../../worker/parcel.ts";
import { check } from "./violation.ts";
import { name } from "./store-request.ts";

/** A parcel on its way. `floor`: what it holds below this was late when it was produced. */
export interface Sent {
  readonly target: number;
  readonly place: string;
  readonly bytes: Uint8Array;
  readonly floor: number;
  /** The earliest of what is in time; END: nothing is. */
  readonly hold: number;
}

export class OutboxLedger {
  readonly shard: number;
  /** Produced and not delivered: by target, in order. */
  #waiting = new Map<number, readonly Sent[]>();
  /** Entries that are stored, by target and place; the notes of channels aside. */
  #stored = new Set<string>();

  constructor(shard: number) {
    this.shard = shard;
  }

  copy(): OutboxLedger {
    const copy = new OutboxLedger(this.shard);
    copy.#waiting = new Map(this.#waiting);
    copy.#stored = new Set(this.#stored);
    return copy;
  }

  commit({ number, sequencer, outbox, outboxDeletes }: Commit, floor: number): void {
    for (const { target, place } of outboxDeletes) {
      const waits = this.#of(target).some((sent) => sent.place === `${place.monotonic}/${place.n}`);
      check(!waits, "A10 deleted", () => `${name(this.shard)}#${number} deletes what it has not delivered: ${name(target)} ${place.monotonic}/${place.n}`);
      this.#stored.delete(`${target} ${place.monotonic}/${place.n}`);
    }
    const monotonic = sequencer.slice(0, sequencer.indexOf("."));
    for (const { target, n, bytes } of outbox) {
      if (n === 0) continue;
      const place = `${monotonic}/${n}`;
      const known = this.#stored.has(`${target} ${place}`);
      check(!known, "A10 place", () => `${name(this.shard)}#${number} gives place ${place} of ${name(target)} a second time`);
      this.#stored.add(`${target} ${place}`);
      this.#waiting.set(target, [...this.#of(target), { target, place, bytes, floor, hold: leastInTime(bytes, floor) }]);
    }
  }

  /** A delivery from here has been carried out. Gives what it has appended; undefined: nothing. */
  delivered({ to, place, bytes }: Delivery, outcome: DeliverOutcome): Sent | undefined {
    const what = () => `${name(this.shard)} to ${name(to)} ${place.monotonic}/${place.n}`;
    const [next, ...rest] = this.#of(to);
    // Nothing is ever lost on the way here: who loses its tail, loses that of the whole store.
    check(outcome !== "behind" && outcome !== "after-loss" && outcome !== "gone", "A10 loss", () => `${what()} is ${outcome}`);
    if (outcome !== "delivered") {
      const waits = this.#of(to).some((sent) => sent.place === `${place.monotonic}/${place.n}`);
      check(!waits, "A10 lost", () => `${what()} is taken for a duplicate, and is not there`);
      return undefined;
    }
    check(next?.place === `${place.monotonic}/${place.n}`, "A10 order", () => `${what()} is appended; ${next?.place ?? "nothing"} was to be next`);
    check(next !== undefined && Buffer.compare(next.bytes, bytes) === 0, "A10 bytes", () => `${what()} is not what was produced`);
    this.#waiting.set(to, rest);
    return next;
  }

  /** The earliest that waits and is in time; END: nothing does. */
  get hold(): number {
    let hold = END;
    for (const sent of this.#waiting.values()) for (const each of sent) hold = Math.min(hold, each.hold);
    return hold;
  }

  /** Parcels that are not delivered. */
  get waiting(): number {
    let waiting = 0;
    for (const sent of this.#waiting.values()) waiting += sent.length;
    return waiting;
  }

  /** Is what is stored what the commits said? */
  agrees(stored: readonly StoredOutboxEntry[]): boolean {
    const entries = stored.filter(({ place }) => place.n > 0);
    return entries.length === this.#stored.size && entries.every(({ target, place }) => this.#stored.has(`${target} ${place.monotonic}/${place.n}`));
  }

  #of(target: number): readonly Sent[] {
    return this.#waiting.get(target) ?? [];
  }
}

/** The smallest timestamp of the parcel's records that is not below `floor`; END: there is none, or none before the end. */
export function leastInTime(parcel: Uint8Array, floor: number): number {
  let least = END;
  unpackParcel(parcel, ({ timestamp }) => {
    if (timestamp >= floor && timestamp < least) least = timestamp;
  });
  return least;
}
