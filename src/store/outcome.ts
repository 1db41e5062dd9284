/**
 * The checks of a commit, in the order that decides which outcome it gets when several apply. Pure; the stores that
 * run in this process share it (Redis has the same in Lua).
 */
import type { Commit, CommitOutcome, Consumption, Sequencer } from "./commit.ts";
import { PARCEL_IDENTITY_BYTES } from "./commit.ts";

/** What is stored of a shard, as far as the checks look at it. */
export interface Stored {
  /** undefined: no one may commit (never acquired, or released). */
  readonly sequencer: Sequencer | undefined;
  readonly number: number;
  readonly id: string;
  readonly position: number;
  readonly offset: number;
  readonly tail: number;
  /** Identity of the parcel at `position - 1`; empty at position 0. */
  readonly consumedIdentity: Uint8Array;
}

/** The outcome of `commit` on a shard. `parcelAt` gives a parcel between `stored.position` and the tail. */
export function outcomeOf(commit: Commit, stored: Stored, graphVersion: number | undefined, parcelAt: (position: number) => Uint8Array): CommitOutcome {
  if (stored.sequencer === undefined || commit.sequencer !== stored.sequencer) return "fenced";
  if (commit.number === stored.number && commit.id === stored.id) return "already";
  if (commit.number !== stored.number + 1) return "gap";
  if (commit.graphVersion !== graphVersion) return "stale-graph";
  if (commit.consumed !== undefined && !isConsumable(commit.consumed, stored, parcelAt)) return "gap";
  return "committed";
}

/** The outcomes of a list: of a chain all are applied or none. */
export function outcomesOf(commits: readonly Commit[], outcomeOfOne: (commit: Commit) => CommitOutcome): CommitOutcome[] {
  const outcomes = commits.map(outcomeOfOne);
  const broken = new Set<number | undefined>();
  outcomes.forEach((outcome, i) => {
    if (outcome !== "committed" && outcome !== "already") broken.add(commits[i]?.chain);
  });
  broken.delete(undefined);
  if (broken.size === 0) return outcomes;
  return outcomes.map((outcome, i) => (outcome === "committed" && broken.has(commits[i]?.chain) ? "unchained" : outcome));
}

/** Does the inbox hold what the owner says that it has consumed? */
function isConsumable(consumed: Consumption, stored: Stored, parcelAt: (position: number) => Uint8Array): boolean {
  const { position, offset, identity } = consumed;
  if (position < stored.position || (position === stored.position && offset < stored.offset)) return false;
  if (position > stored.tail || (position === stored.tail && offset > 0)) return false;
  if (offset === 0 && position === stored.position) return isSame(identity, stored.consumedIdentity);
  return isSame(identity, identityOf(parcelAt(offset > 0 ? position : position - 1)));
}

/** The head of a parcel, by which a commit names it. A view, not a copy. */
export function identityOf(parcel: Uint8Array): Uint8Array {
  return parcel.subarray(0, PARCEL_IDENTITY_BYTES);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
