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
 * P3  A receiver that lost its tail may lack entries that no sender has any more. A sender that was told the mark, and
 *     has nothing between it and its next entry, says so by naming the mark as the place before: `after-loss`.
 */
import type { Place } from "../store/commit.ts";
import type { DeliverOutcome } from "../store/store.ts";

/** Before every place: where nothing was ever taken. */
export const NOWHERE: Place = { monotonic: 0, n: 0 };

/** Negative if `a` comes before `b` in a channel, 0 if they are the same place. */
export function comparePlaces(a: Place, b: Place): number {
  return a.monotonic - b.monotonic || a.n - b.n;
}

/**
 * What becomes of the entry at `place`, whose sender says that `previous` came before its sequencer's first entry.
 * `mark` is the last place taken. The entry is appended, and its place becomes the mark, on `delivered` and `after-loss`.
 */
export function judgePlace(mark: Place | undefined, place: Place, previous: Place | undefined): DeliverOutcome {
  const last = mark ?? NOWHERE;
  if (comparePlaces(place, last) <= 0) return "duplicate";
  if (isNext(last, place, previous)) return "delivered";
  if (previous !== undefined && comparePlaces(previous, last) === 0) return "after-loss";
  if (place.n !== 1 || place.monotonic === last.monotonic) return "behind";
  return comparePlaces(previous ?? NOWHERE, last) < 0 ? "after-loss" : "behind";
}

/** Does the entry at `place` follow upon `last` with nothing between the two? `previous` counts at the first of a sequencer. */
export function isNext(last: Place, place: Place, previous: Place | undefined): boolean {
  if (place.monotonic === last.monotonic) return place.n === last.n + 1;
  return place.n === 1 && comparePlaces(previous ?? NOWHERE, last) === 0;
}

/** Does this outcome mean that the entry was appended by this call? */
export function isAppended(outcome: DeliverOutcome): boolean {
  return outcome === "delivered" || outcome === "after-loss";
}
