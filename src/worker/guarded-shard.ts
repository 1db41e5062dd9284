/**
 * A computation's shard, guarded against work that ends the process: an endless loop, memory without end, an exit. Such
 * work has no trace in the store, for what is under way when a process ends was never committed; so its next owner would
 * begin it again, and end. Whoever takes a shard over from a dead owner therefore says so in a commit of its own before
 * it begins anything. Where owners in a row die before they commit anything else, what they die of is closed in on: the
 * third commits in small groups, so that what is before it is done, and the fourth does the shard's work alone:
 *
 *     set the work aside, counted as begun -> commit -> do it, nothing else -> commit what came of it
 *
 * A death in between leaves the count. Work that was begun so often and never ended goes to dead letters. All others have
 * only been done in smaller commits for a while, and workers that were killed for another reason lose next to no time.
 * Whoever kills them, and when, is not known: work with a count is begun again only after a while, in which a death is
 * seen to be none of its doing, as it counts for nothing. Only its own key waits for that: where workers are killed again
 * and again before the while is over, a shard that did everything alone until then would never catch up.
 *
 * G1  Before work is done alone, a commit that counts it as begun has been acknowledged.
 * G2  At most one piece of work of a worker is being done alone, so that its death is counted for no other. A shard that closes in
 *     is in turn from before it says that it has begun until it is cleared or has nothing to do: a worker that has taken many
 *     shards over and is killed amid that makes one of them more suspicious, not all.
 * G4  What is handed over in a chain is not stored before it is done, so a death of it leaves no trace: after a death everything is
 *     stored first for a while, in which its sender has read it again.
 * G3  Without a death nothing of this costs anything: no commit, no field in an image, no look at a record.
 */
import { HELD_RECORDS } from "../limits.ts";
import type { Commit, RecoveredShard, Sequencer } from "../store/index.ts";
import { ChainedShard } from "./chained-shard.ts";
import type { Keyed } from "./keyed.ts";
import type { KeyState } from "./key-state.ts";
import type { OwnedShard, ShardHost } from "./owned-shard.ts";
import type { PlannedComputation } from "./plan.ts";
import type { Work } from "./work.ts";

/** Owners in a row that died before they committed anything, from which on commits are small, and from which on work is done alone. */
const SMALL = 2;
const ALONE = 3;
/** What a small commit is of an ordinary one. */
const SHARE = 1 / 16;
/** Times that work may be begun alone and not ended. */
const PARK_AFTER = 3;
/** ms that an owner lives before it begins work that one has died in, and how much longer for each further death. */
const PROBATION = 1_000;
const LONGER = 4;
/** ms after a death in which nothing is done before it is stored: what is not stored leaves no trace of who died of it. */
const UNCHAINED = 10_000;

export class GuardedShard extends ChainedShard {
  /** The first commit is to say that an owner has begun; what says so is under way. */
  #beginning: "to say" | "said" | undefined;
  /** It has not said so, for another shard is in turn. */
  #waits: boolean;
  #inTurn = false;
  /** Owners in a row, this one among them. */
  readonly #starts: number;
  /** Pieces of work that are still suspicious, as many as may have been in the commits that an owner died of; those with a count are not among them. */
  #left: number;
  /** Keys whose first work was begun and never ended. */
  readonly #counted = new Set<KeyState>();
  readonly #since: number;
  /** Of these in one commit; 0: they are done alone. */
  readonly #most: number;
  #alone: { readonly work: Work; readonly key: KeyState; begun: boolean } | undefined = undefined;
  readonly #parkAfter: number;
  /** Records are accepted in chains from then on, by the worker's clock. */
  readonly #chainedFrom: number;

  constructor(host: ShardHost, planned: PlannedComputation, keyed: Keyed, sequencer: Sequencer, recovered: RecoveredShard, floor: number, abandoned: boolean) {
    super(host, planned, keyed, sequencer, recovered, floor);
    const { queued, held, watermarkTimerCount, wallTimerCount } = recovered;
    const pending = queued > 0 || held.length > 0 || watermarkTimerCount > 0 || wallTimerCount > 0;
    this.#parkAfter = host.options.parkAfterDeaths ?? PARK_AFTER;
    const guards = this.#parkAfter > 0;
    this.#chainedFrom = guards && abandoned && this.#parkAfter < Number.POSITIVE_INFINITY ? host.now + UNCHAINED : 0;
    this.#beginning = guards && abandoned && pending ? "to say" : undefined;
    if (this.#beginning !== undefined) this.image.starts += 1;
    this.#starts = this.image.starts;
    this.#since = host.now;
    const small = Math.max(1, Math.floor(host.options.batchRecords * SHARE));
    const alone = this.#starts >= ALONE;
    this.#most = alone ? 0 : small;
    // One commit may have been under way, and the next one open.
    this.#left = !guards ? 0 : alone ? 2 * small : this.#starts >= SMALL ? 2 * host.options.batchRecords : 0;
    this.#waits = this.#beginning !== undefined && this.#closesIn;
    const counted = this.orphans.some(({ work }) => work.begun > 0);
    if (guards && (alone || counted) && host.shards.lone.suspect(this.participant)) {
      const text = "workers have died in the middle of this computation's work: it is done piece by piece for a while, to find what they die of";
      host.logOf(this.name, undefined).info(text);
    }
  }

  protected override adopt(key: KeyState): void {
    super.adopt(key);
    const begun = key.held[0]?.begun ?? 0;
    if (begun === 0 || this.#parkAfter === 0) return;
    this.#counted.add(key);
    // Not in this go, which may have begun other work.
    const earliest = begun < this.#parkAfter ? this.#since + PROBATION * LONGER ** (begun - 1) : this.#since;
    key.retryAt = Math.max(key.retryAt, earliest, this.host.now + 1);
  }

  /** Is it time for work that has a count? */
  get #isDue(): boolean {
    for (const { retryAt } of this.#counted) if (retryAt <= this.host.now) return true;
    return false;
  }

  override accepts(sender: OwnedShard, ahead: boolean): boolean {
    return this.host.now >= this.#chainedFrom && super.accepts(sender, ahead);
  }

  override pump(budget: number): number {
    if (this.#waits && this.host.shards.lone.free(this)) {
      this.#waits = false;
      this.#take();
    }
    this.#goOn();
    const done = super.pump(budget);
    if (this.#inTurn && this.#alone === undefined && !(this.#closesIn && (done > 0 || this.#goesOn))) this.#leave();
    return done;
  }

  /** Something is under way, or there is work, which at most is still being read. */
  get #goesOn(): boolean {
    if (this.#beginning !== undefined || this.inFlight !== undefined || !this.open.empty) return true;
    if (!super.mayStart()) return false;
    const records = (this.inbox.size > 0 || !this.inbox.reached(this.inbox.tail)) && this.heldHolds.size < HELD_RECORDS;
    return records || this.orphans.length > 0 || this.watermark.due(this.input) !== undefined || this.wall.due(this.wallTime()) !== undefined;
  }

  protected override mayStart(): boolean {
    if (this.#beginning !== undefined || this.#alone !== undefined) return false;
    if (this.#closesIn || this.#isDue) return this.inFlight === undefined && this.open.empty && this.host.shards.lone.free(this) && super.mayStart();
    return (this.#left === 0 || Math.max(this.open.taken, this.open.finished) < this.#most) && super.mayStart();
  }

  /** Is everything done alone? */
  get #closesIn(): boolean {
    return this.#left > 0 && this.#most === 0;
  }

  /** Done alone is what the shard would do now. */
  protected override run(work: Work, key: KeyState): void {
    if (this.#alone !== undefined || !(this.#closesIn || this.#counted.has(key))) {
      super.run(work, key);
      return;
    }
    if (!this.#counted.delete(key)) this.#left--;
    if (work.begun >= this.#parkAfter) {
      this.host.logOf(this.name, key.key).error(`the process has ended ${work.begun} times while this was being done: it goes to dead letters`);
      this.park(work, key, new Error(`the process ended ${work.begun} times while this was being processed, and nothing else`));
      return;
    }
    work.begun += 1;
    this.setAside(work, key);
    this.#take();
    this.#alone = { work, key, begun: false };
  }

  /** Does the work that was counted as begun, once that is committed; and is done with it once that is. */
  #goOn(): void {
    const alone = this.#alone;
    if (alone === undefined || this.inFlight !== undefined || !this.open.empty) return;
    if (!alone.begun) {
      if (!this.admitted()) return;
      alone.begun = true;
      // It is alive, whatever becomes of it now: what is stored of it in the end does not count this time.
      alone.work.begun = 0;
      super.run(alone.work, alone.key);
    } else if (alone.key.running !== alone.work) this.#alone = undefined;
  }

  /** No other may do work alone. */
  #take(): void {
    this.#inTurn = true;
    this.host.shards.lone.claim(this);
  }

  #leave(): void {
    this.#inTurn = false;
    for (const shard of this.host.shards.lone.leave(this)) this.host.wake(shard);
  }

  override readyAt(): number {
    return this.#beginning === "to say" && !this.#waits ? 0 : super.readyAt();
  }

  override seal(): Commit {
    if (this.#beginning === "to say") this.#beginning = "said";
    else {
      if (this.#most > 0) this.#left = Math.max(0, this.#left - Math.max(this.open.taken, this.open.finished));
      // An owner that has come on a little leaves the next one where it began itself.
      this.image.starts = this.#left > 0 ? Math.max(0, this.#starts - 1) : 0;
    }
    return super.seal();
  }

  override committed(): void {
    this.#beginning = undefined;
    super.committed();
  }

  override close(): void {
    super.close();
    this.leaveSweep();
    this.#leave();
  }
}
