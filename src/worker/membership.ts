/**
 * Who else works on the pipeline, and which shards are to be whose: announces this worker, hears who is alive, and
 * assigns. What is done about it is `ownership.ts`. There is no coordinator: all hear the same soon, and assign alike.
 *
 * M1  Until it has heard of anyone, a worker wants no shard; one that has the store to itself wants all.
 * M2  A shard is another's only if two announcements in a row said so. A worker that comes and goes moves nothing, nor
 *     does one that is late once.
 * M3  A worker whose announcements fail goes on with what it has heard.
 * M4  An announcement ends before the leases of its worker do: who takes over asks for them when they run out.
 * M5  What a worker declines it announces beside its own name, so that all assign alike (`declined.ts`).
 */
import type { ShardRef } from "../key.ts";
import type { Announced } from "../store/index.ts";
import { assign } from "./assignment.ts";
import { declinedName, parseAnnounced } from "./declined.ts";
import type { Engine } from "./engine.ts";
import { Room } from "./room.ts";

/** ms between announcements at most: where others are heard of, where none has been for a while, and where the last one brought news. */
const EVERY = 250;
const LONELY = 500;
const CONFIRM = 100;
/** ms for which shards are on the move after news. */
const MOVING = 2_000;
/** ms by which an announcement ends before a lease that was prolonged at the same time. */
const AHEAD = 500;

export class Membership {
  readonly #engine: Engine;
  readonly room: Room;
  #heard: readonly string[] = [];
  /** The same as it was said, with what each leaves to others. */
  #announced: readonly string[] = [];
  /** Participants that this worker leaves to others. */
  readonly #declined = new Set<number>();
  #assigned: ReadonlyMap<ShardRef, string> = new Map();
  /** The last two announcements have heard the same. */
  #agreed = false;
  #newsAt = 0;
  #announceAt = Number.POSITIVE_INFINITY;
  /** The same, or while one is under way when the next is to be expected. */
  #nextAt = Number.POSITIVE_INFINITY;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.room = new Room(engine);
  }

  start(): void {
    const { exclusive, worker } = this.#engine.options;
    if (exclusive) this.#hear([worker]);
    else this.#announceAt = this.#engine.now;
  }

  tick(now: number): void {
    if (now < this.#announceAt) return;
    // One at a time: the next is due when this one has been answered.
    this.#announceAt = Number.POSITIVE_INFINITY;
    this.#nextAt = now + this.#every;
    const { leaseMs } = this.#engine.options;
    const declined = [...this.#declined].map((participant) => declinedName(participant, this.#engine.options.worker));
    this.#engine.effect({ kind: "announce", ms: Math.ceil(Math.max((2 * leaseMs) / 3, leaseMs - AHEAD)), declined });
  }

  wakeAt(): number {
    return this.#announceAt;
  }

  /** When the next announcement is due, if that is at most a quarter of a lease after `at`; else `at`. What can wait wakes no one for itself. */
  withNext(at: number): number {
    const { now, options } = this.#engine;
    return at > now && this.#nextAt > at && this.#nextAt <= at + options.leaseMs / 4 ? this.#nextAt : at;
  }

  /** The answer to `announce`; undefined: it failed. True: there is news. */
  onAnnounced(announced: Announced | undefined): boolean {
    const { now, options } = this.#engine;
    const news = announced !== undefined && !isSame(announced.workers, this.#announced);
    this.#announceAt = now + (news ? Math.min(options.leaseMs / 3, CONFIRM) : this.#every);
    this.#nextAt = this.#announceAt;
    if (announced === undefined) return false;
    this.room.learn(announced.full);
    this.#agreed = !news;
    if (news) this.#hear(announced.workers);
    return news;
  }

  /** ms between announcements where there is no news. */
  get #every(): number {
    const lonely = this.#heard.length === 1 && !this.moving;
    return Math.min(this.#engine.options.leaseMs / 3, lonely ? LONELY : EVERY);
  }

  #hear(announced: readonly string[]): void {
    const { workers, declines } = parseAnnounced(announced);
    this.#announced = announced;
    this.#heard = workers;
    this.#newsAt = this.#engine.now;
    this.#assigned = assign(workers, this.#engine.options.plan.participants, declines);
  }

  /** From now on, and as long as it lives, this worker leaves a participant to others. False: it did so before. */
  decline(participant: number): boolean {
    if (this.#declined.has(participant)) return false;
    this.#declined.add(participant);
    this.#announceAt = Math.min(this.#announceAt, this.#engine.now);
    return true;
  }

  /** Those that were alive when this worker last heard, this one among them; none before that. */
  get workers(): readonly string[] {
    return this.#heard;
  }
  /** Who is to own the shard; undefined: nothing was heard yet. */
  ownerOf(shard: ShardRef): string | undefined {
    return this.#assigned.get(shard);
  }
  isOurs(shard: ShardRef): boolean {
    return this.#assigned.get(shard) === this.#engine.options.worker;
  }
  /** Is the shard to be given up for another worker (M2)? */
  isToMove(shard: ShardRef): boolean {
    return this.#agreed && !this.isOurs(shard);
  }
  /** Are shards on the move? */
  get moving(): boolean {
    return this.#engine.now < this.#newsAt + MOVING;
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}
