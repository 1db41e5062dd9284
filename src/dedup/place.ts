/**
 * The rules of channel places: what a receiver does with an entry, given the last place it took from that sender.
 * Pure; the stores keep the marks, the senders keep the entries.
 *
 * A channel is (sender shard, receiver shard). A place in it is (monotonic part of the sender's sequencer, n), and n
 * counts from 1 under each sequencer. The first entry under a sequencer names the channel's last place before it.
 *
 * P1  No entry is taken twice: what is taken is above the mark, and becomes the mark.
 * P2  No entry is passed over: under one sequencer n rises by one, and across sequencers the new one must know of
 *     everything that was taken. Only a sender that lost its tail may know of less, which is answered `after-loss`.
 */
import type { Place } from "../store/commit.ts";
import type { DeliverOutcome } from "../store/store.ts";

/** Negative if `a` comes before `b` in a channel, 0 if they are the same place. */
export function comparePlaces(a: Place, b: Place): number {
  return a.monotonic - b.monotonic || a.n - b.n;
}

/**
 * What becomes of the entry at `place`, whose sender says that `previous` came before its sequencer's first entry.
 * `mark` is the last place taken. The entry is appended, and its place becomes the mark, on `delivered` and `after-loss`.
 */
export function judgePlace(mark: Place | undefined, place: Place, previous: Place | undefined): DeliverOutcome {
  if (mark !== undefined && place.monotonic <= mark.monotonic) {
    if (place.monotonic < mark.monotonic || place.n <= mark.n) return "duplicate";
    return place.n === mark.n + 1 ? "delivered" : "behind";
  }
  if (place.n !== 1) return "behind";
  if (mark === undefined) return previous === undefined ? "delivered" : "behind";
  if (previous === undefined) return "after-loss";
  const order = comparePlaces(previous, mark);
  if (order === 0) return "delivered";
  return order < 0 ? "after-loss" : "behind";
}

/** Does this outcome mean that the entry was appended by this call? */
export function isAppended(outcome: DeliverOutcome): boolean {
  return outcome === "delivered" || outcome === "after-loss";
}
