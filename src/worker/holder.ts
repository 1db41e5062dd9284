/**
 * What holds the output watermark of one shard, as seen from that shard alone: what kind of thing, and which one. Asked
 * by people, never on the record path. Where the answer is "upstream", `inspect` follows it to whoever truly holds.
 *
 * I1  It names something that has to happen before the watermark can pass `at`; where several have to, the one whose
 *     identity says most: work before timers, timers before holds, these before records still to be taken.
 */
import type { Tag } from "../store/address.ts";
import { parseTimerMember } from "../store/address.ts";
import { indexOf, participantOf } from "../key.ts";
import { END } from "../time.ts";
import type { TimeIndex } from "../time-index.ts";
import type { TimerQueue } from "../timers/timer-queue.ts";
import { keyOf } from "./held.ts";
import type { Outbox } from "./outbox.ts";
import type { Inbox } from "./inbox.ts";
import type { RecordWork, Work } from "./work.ts";

export type HolderKind =
  /** It stands at the end of time. */
  | "end"
  /** The watermarks of what feeds it. */
  | "upstream"
  /** The promise of an injector's policy. */
  | "promise"
  /** An injector that has gone idle: it promises nothing and holds no one who has another input. */
  | "idle"
  /** An injector that waits for others, further behind than its `maxSkew`. */
  | "skew"
  /** Records in the inbox that have not been read. */
  | "unread"
  /** A record that was read and whose turn has not come. */
  | "record"
  /** A call of user code, or a write to a sink, that has not settled. */
  | "running"
  /** Work that failed and is tried again. */
  | "held"
  /** Work that failed for good, of a key that waits for an operator. */
  | "halted"
  | "timer"
  /** The hold that a key was given by `context.hold`. */
  | "hold"
  /** A batch that is done and not committed. */
  | "commit"
  /** Productions for another atomic domain that have not been delivered. */
  | "undelivered";

export interface Holder {
  readonly kind: HolderKind;
  /** The event time it holds at. */
  readonly at: number;
  readonly shard?: number | undefined;
  readonly key?: string | undefined;
  /** Of a timer, or of an injector. */
  readonly name?: string | undefined;
  readonly tag?: Tag;
  /** Timestamp of the record, or time of the timer. */
  readonly time?: number | undefined;
  /** Failed tries so far: of the work, or of an injector's source in a row. */
  readonly attempts?: number | undefined;
  /** When it is tried again, by the worker's clock. */
  readonly retryAt?: number | undefined;
  /** Since when it holds, by the worker's clock, where the shard knows. */
  readonly since?: number | undefined;
  /** Records that it stands for. */
  readonly records?: number | undefined;
  /** Number of the commit. */
  readonly commit?: number | undefined;
  /** For people: the policy, the sink, what is waited for. */
  readonly detail?: string | undefined;
}

/** What a computation's shard shows of itself to be asked. */
export interface HoldingShard {
  readonly ref: number;
  readonly output: number;
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly watermark: TimerQueue;
  readonly holds: TimeIndex;
  readonly heldHolds: TimeIndex;
  /** Work that the open batch took and that is not done. */
  readonly unfinished: Iterable<Work>;
  /** Number and time of sealing of the commit in flight. */
  readonly sealed: { readonly number: number; readonly at: number } | undefined;
  /** What the open batch and the one in flight have taken away and still hold at. */
  readonly uncommittedHold: number;
  /** Is there a bound that only waits for unread records? */
  readonly unread: boolean;
  heldWork(id: number): { readonly work: Work; readonly halted: boolean } | undefined;
  /** The work whose call has to settle before the shard takes another record; undefined: none has to. */
  readonly waitsFor: Work | undefined;
  /** Since when a call for this work runs; undefined: none does. */
  readonly running: { since(work: Work): number | undefined };
  timerName(member: string): string | undefined;
}

export function computationHolder(shard: HoldingShard): Holder {
  const at = shard.output;
  const base = { at, shard: shard.ref };
  if (at === END) return { kind: "end", ...base };
  if (shard.outbox.hold <= at) return { ...base, ...undelivered(shard.outbox, at) };
  const work = unfinishedWork(shard, at) ?? setAsideWork(shard, at);
  if (work !== undefined) return { ...base, ...work };
  const timer = shard.watermark.earliest(at);
  if (timer !== undefined) return { kind: "timer", ...base, ...timerIdentity(shard, timer.member, timer.time) };
  const hold = shard.holds.first();
  if (hold !== undefined && hold.time <= at) return { ...base, ...holdIdentity(shard, hold.member) };
  if (shard.inbox.smallestHold <= at) return { ...base, ...(shard.waitsFor === undefined ? waitingRecord(shard.inbox) : lane(shard, shard.waitsFor, false)) };
  if (shard.uncommittedHold <= at) return { kind: "commit", ...base, commit: shard.sealed?.number, since: shard.sealed?.at };
  if (shard.unread || !shard.inbox.reached(shard.inbox.tail)) return { kind: "unread", ...base };
  return { kind: "upstream", ...base };
}

type Found = Omit<Holder, "at" | "shard">;

/** Of what an outbox has to deliver: what holds at `at`. */
export function undelivered(outbox: Outbox, at: number): Found {
  const { records, since, target } = outbox.holder(at) ?? {};
  const detail = target === undefined ? undefined : `for shard ${indexOf(target)} of participant ${participantOf(target)}`;
  return { kind: "undelivered", records, since, detail };
}

function unfinishedWork(shard: HoldingShard, at: number): Found | undefined {
  let first: Work | undefined;
  for (const work of shard.unfinished) if (work.hold <= at && (first === undefined || work.hold < first.hold)) first = work;
  return first === undefined ? undefined : lane(shard, first, false);
}

function setAsideWork(shard: HoldingShard, at: number): Found | undefined {
  const first = shard.heldHolds.first();
  if (first === undefined || first.time > at) return undefined;
  const known = shard.heldWork(Number(first.member));
  return known === undefined ? undefined : lane(shard, known.work, known.halted);
}

/** What the work's key waits for: work of one key is done one by one, so it may be other work than this. */
function lane(shard: HoldingShard, work: Work, halted: boolean): Found {
  const key = work.key;
  const ahead = key?.running ?? key?.held[0] ?? work;
  const since = shard.running.since(ahead);
  const identity = { key: keyOf(work), ...workIdentity(shard, ahead), attempts: ahead.attempts };
  if (since !== undefined) return { kind: "running", ...identity, since };
  if (key?.retryAt === Number.POSITIVE_INFINITY || halted) return { kind: "halted", ...identity };
  if (ahead.held !== undefined) return { kind: "held", ...identity, retryAt: key?.retryAt };
  return { kind: "record", ...identity };
}

function workIdentity(shard: HoldingShard, work: Work): Pick<Holder, "name" | "tag" | "time"> {
  if (work.kind === "record") return { time: work.record.timestamp };
  return { name: shard.timerName(work.member), tag: work.address.tag, time: work.time };
}

function timerIdentity(shard: HoldingShard, member: string, time: number | undefined): Pick<Holder, "key" | "name" | "tag" | "time"> {
  const { key, tag } = parseTimerMember(member);
  return { key, name: shard.timerName(member), tag, time };
}

/** Members of the index of holds: `k:<key>`, `t:<timer>` and `w:<timer>` (`store/address.ts`). */
function holdIdentity(shard: HoldingShard, member: string): Found {
  const rest = member.slice(2);
  if (member.startsWith("k:")) return { kind: "hold", key: rest };
  const time = member.startsWith("t:") ? shard.watermark.timeOf(rest) : undefined;
  return { kind: "timer", ...timerIdentity(shard, rest, time), detail: "by its output timestamp" };
}

function waitingRecord(inbox: Inbox): Found {
  const waiting: readonly RecordWork[] = inbox.ahead(inbox.size);
  const first = waiting.find((work) => work.hold === inbox.smallestHold);
  return { kind: "record", key: first?.record.key, time: first?.record.timestamp, attempts: 0, records: waiting.length };
}
