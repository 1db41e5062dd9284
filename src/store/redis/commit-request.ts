/**
 * One call of `commit.lua`: commits become its KEYS and ARGV, its reply becomes outcomes. This is the hot path of the
 * store: loops over arrays, no closure and no object per entry.
 *
 * Layout of ARGV (and, marked k, of KEYS), in the order of the script's header:
 *
 *   heads     per commit: sequencer .. chain                                   k: meta inbox
 *   targets   per inbox appended to: parcels, records, origins, the parcels    k: meta inbox
 *   streams   per stream appended to: arguments, then per entry: commit, arguments, those of XADD; after all a "."   k: the stream
 *   writes    per commit: (verb, count, arguments) per structure, then "."     k: the structure
 */
import { invariant } from "../../errors.ts";
import type { ShardRef } from "../../key.ts";
import { monotonicOf, type Commit, type CommitOutcome, type EntryAppend, type ParcelAppend, type TimerClock } from "../commit.ts";
import type { CommitReply, InboxTail } from "../store.ts";
import type { Keys, ShardKeys } from "./keys.ts";
import { outboxField, writeOutboxEntry } from "./outbox-text.ts";
import { asNumber, asText } from "./reply.ts";
import { type Encoded, encode, type Request } from "./request.ts";
import { COMMIT } from "./scripts.ts";

/** Entries of one write: two arguments each, and Lua's `unpack` ends at about 8,000. */
const ENTRIES = 2_000;
/** Bytes of parcels, state and records after which a list is sent as several calls: a script blocks the server. */
const CALL_BYTES = 32 << 20;

/** Parcels of a list for one inbox, in the order of their commits. */
interface Target {
  readonly shard: ShardRef;
  /** By parcel: the number of its commit in the call, from 1. */
  readonly commits: number[];
  readonly parcels: ParcelAppend[];
  records: number;
}

/** A call in the making: what `decodeCommitReply` needs to know of it. */
export interface CommitCall {
  readonly commits: number;
  readonly targets: readonly ShardRef[];
}

/** Where a list is cut, so that no call is larger than the server takes well. Each commit remains whole, and each chain. */
export function cutByWeight(commits: readonly Commit[]): (readonly Commit[])[] {
  const calls: (readonly Commit[])[] = [];
  let start = 0;
  let weight = 0;
  for (let i = 0; i < commits.length; i++) {
    const added = weightOf(commits[i]!);
    const chained = commits[i]!.chain !== undefined && commits[i]!.chain === commits[i - 1]?.chain;
    if (i > start && weight + added > CALL_BYTES && !chained) {
      calls.push(commits.slice(start, i));
      start = i;
      weight = 0;
    }
    weight += added;
  }
  calls.push(start === 0 ? commits : commits.slice(start));
  return calls;
}

function weightOf(commit: Commit): number {
  let weight = commit.image.length;
  for (const value of commit.stateValues) if (value !== undefined) weight += value.length;
  for (const { bytes } of commit.parcels) weight += bytes.length;
  for (const { bytes } of commit.outbox) weight += bytes.length;
  for (const { bytes } of commit.heldPuts) weight += bytes.length;
  for (const { bytes } of commit.deadPuts) weight += bytes.length;
  for (const { bytes } of commit.entries) weight += bytes;
  return weight;
}

/** Writes KEYS and ARGV of a call. */
export function encodeCommits(request: Request, keys: Keys, commits: readonly Commit[]): CommitCall {
  const targets = groupByTarget(commits);
  const { graph, appends } = keys.domain(commits.length === 0 ? 0 : keys.domainOf(commits[0]!.shard));
  request.key(graph).key(appends).integer(commits.length).integer(targets.length);
  for (const commit of commits) encodeHead(request, keys.of(commit.shard), commit);
  for (const target of targets) encodeTarget(request, keys.of(target.shard), target);
  encodeStreams(request, commits);
  for (const commit of commits) {
    encodeWrites(request, keys.of(commit.shard), commit);
    request.text(".");
  }
  return { commits: commits.length, targets: targets.map(({ shard }) => shard) };
}

export function decodeCommitReply(call: CommitCall, reply: unknown): CommitReply {
  const [now, appends, letters, ends] = reply as [unknown, unknown, unknown, readonly unknown[]];
  const outcomes: CommitOutcome[] = [];
  for (const letter of asText(letters)) outcomes.push(COMMIT.outcomes[letter]!);
  invariant(outcomes.length === call.commits, `Redis answered ${outcomes.length} of ${call.commits} commits`);
  return { outcomes, tails: tailsOf(call.targets, ends), appends: asNumber(appends), now: asNumber(now) };
}

/** Of the parts of one list, in their order. */
export function joinReplies(replies: readonly CommitReply[]): CommitReply {
  const { appends, now } = replies.at(-1)!;
  const tails = new Map<ShardRef, InboxTail>();
  for (const tail of replies.flatMap((reply) => reply.tails)) tails.set(tail.shard, tail);
  return { outcomes: replies.flatMap(({ outcomes }) => outcomes), tails: [...tails.values()], appends, now };
}

/** A target with very many parcels is in several sections; the last of them knows its end. */
export function tailsOf(targets: readonly ShardRef[], ends: readonly unknown[]): InboxTail[] {
  const tails = new Map<ShardRef, InboxTail>();
  for (const [t, shard] of targets.entries()) {
    const tail = asNumber(ends[2 * t]);
    if (tail >= 0) tails.set(shard, { shard, tail, queued: asNumber(ends[2 * t + 1]) });
  }
  return [...tails.values()];
}

function groupByTarget(commits: readonly Commit[]): Target[] {
  const targets: Target[] = [];
  const open = new Map<ShardRef, Target>();
  for (let c = 0; c < commits.length; c++) {
    for (const parcel of commits[c]!.parcels) {
      const shard = parcel.target;
      let target = open.get(shard);
      if (target === undefined || target.parcels.length >= ENTRIES) {
        target = { shard, commits: [], parcels: [], records: 0 };
        open.set(shard, target);
        targets.push(target);
      }
      target.commits.push(c + 1);
      target.parcels.push(parcel);
      target.records += parcel.records;
    }
  }
  return targets;
}

function encodeHead(request: Request, keys: ShardKeys, commit: Commit): void {
  const { args } = request;
  const { consumed } = commit;
  request.key(keys.meta).key(keys.inbox);
  args.text(commit.sequencer);
  args.integer(commit.number);
  args.text(commit.id);
  args.integer(commit.graphVersion);
  if (consumed === undefined) {
    for (let i = 0; i < 4; i++) args.text("");
  } else {
    args.integer(consumed.position);
    args.integer(consumed.offset);
    args.integer(consumed.records);
    args.bytes(consumed.identity);
  }
  args.bytes(commit.image);
  args.optional(commit.chain);
}

function encodeTarget(request: Request, keys: ShardKeys, { commits, parcels, records }: Target): void {
  const { args } = request;
  request.key(keys.meta).key(keys.inbox);
  args.integer(parcels.length);
  args.integer(records);
  const origins = new DataView(new ArrayBuffer(8 * parcels.length));
  for (let p = 0; p < parcels.length; p++) {
    origins.setUint32(8 * p, commits[p]!, true);
    origins.setUint32(8 * p + 4, parcels[p]!.records, true);
  }
  args.bytes(new Uint8Array(origins.buffer));
  for (const { bytes } of parcels) args.bytes(bytes);
}

/** Entries of one stream stand together, whichever commits they are of. */
function encodeStreams(request: Request, commits: readonly Commit[]): void {
  const lengths = new Map<string, number>();
  for (const { entries } of commits) {
    for (const { stream, maxLength, texts } of entries) lengths.set(stream, (lengths.get(stream) ?? 0) + 2 + idArguments(maxLength) + texts.length);
  }
  for (const [stream, length] of lengths) {
    request.key(encode(stream)).integer(length);
    for (let c = 0; c < commits.length; c++) {
      for (const entry of commits[c]!.entries) if (entry.stream === stream) encodeEntry(request, c + 1, entry);
    }
  }
  request.text(".");
}

/** What XADD is given before an entry's fields. */
const idArguments = (maxLength: number | undefined): number => (maxLength === undefined ? 1 : 4);

function encodeEntry({ args }: Request, commit: number, { maxLength, texts }: EntryAppend): void {
  args.integer(commit);
  args.integer(idArguments(maxLength) + texts.length);
  if (maxLength !== undefined) {
    args.text("MAXLEN");
    args.text("~");
    args.integer(maxLength);
  }
  args.text("*");
  for (const text of texts) {
    if (typeof text === "string") args.text(text);
    else args.bytes(text);
  }
}

/** Deletes before sets, in every structure: a member may come back under another value. */
function encodeWrites(request: Request, keys: ShardKeys, commit: Commit): void {
  encodeState(request, keys.state, commit);
  if (commit.timerDeletes.length > 0 || commit.timerSets.length > 0) {
    encodeTimers(request, keys.timers, commit, "watermark");
    encodeTimers(request, keys.wall, commit, "wall");
  }
  const { args } = request;
  const { holdDeletes, holdSets, ids, outbox, outboxDeletes } = commit;
  for (let i = 0; i < holdDeletes.length; i++) {
    open(request, "Z", keys.holds, i, holdDeletes.length, 1);
    args.text(holdDeletes[i]!);
  }
  for (let i = 0; i < holdSets.length; i++) {
    open(request, "z", keys.holds, i, holdSets.length, 2);
    args.integer(holdSets[i]!.time);
    args.text(holdSets[i]!.member);
  }
  encodeNumbered(request, keys.held, commit.heldDeletes, commit.heldPuts);
  encodeNumbered(request, keys.dead, commit.deadDeletes, commit.deadPuts);
  for (let i = 0; i < ids.length; i++) {
    open(request, "z", keys.ids, i, ids.length, 2);
    invariant(ids[i]!.id !== "", "an empty client id was taken");
    args.integer(ids[i]!.timestamp);
    args.text(ids[i]!.id);
  }
  if (commit.idsExpireBelow !== undefined) {
    open(request, "X", keys.ids, 0, 1, 2);
    args.text("-inf");
    args.text(`(${commit.idsExpireBelow}`);
  }
  for (let i = 0; i < outboxDeletes.length; i++) {
    open(request, "H", keys.outbox, i, outboxDeletes.length, 1);
    args.text(outboxField(outboxDeletes[i]!.target, outboxDeletes[i]!.place));
  }
  for (let i = 0; i < outbox.length; i++) {
    open(request, "h", keys.outbox, i, outbox.length, 2);
    writeOutboxEntry(args, monotonicOf(commit.sequencer), outbox[i]!);
  }
}

/** Starts a write of the next entries of `total`, if entry `i` is the first of it. */
function open(request: Request, verb: string, key: Encoded, i: number, total: number, width: 1 | 2): void {
  if (i % ENTRIES > 0) return;
  request
    .key(key)
    .text(verb)
    .integer(Math.min(total - i, ENTRIES) * width);
}

function encodeState(request: Request, key: Encoded, { stateFields, stateValues }: Commit): void {
  const { args } = request;
  let sets = 0;
  for (const value of stateValues) if (value !== undefined) sets += 1;
  const deletes = stateFields.length - sets;
  for (let i = 0, nth = 0; nth < deletes; i++) {
    if (stateValues[i] !== undefined) continue;
    open(request, "H", key, nth++, deletes, 1);
    args.text(stateFields[i]!);
  }
  for (let i = 0, nth = 0; nth < sets; i++) {
    const value = stateValues[i];
    if (value === undefined) continue;
    open(request, "h", key, nth++, sets, 2);
    args.text(stateFields[i]!);
    args.bytes(value);
  }
}

function encodeTimers(request: Request, key: Encoded, { timerDeletes, timerSets }: Commit, clock: TimerClock): void {
  const { args } = request;
  let deletes = 0;
  let sets = 0;
  for (const timer of timerDeletes) if (timer.clock === clock) deletes += 1;
  for (const timer of timerSets) if (timer.clock === clock) sets += 1;
  for (let i = 0, nth = 0; nth < deletes; i++) {
    const timer = timerDeletes[i]!;
    if (timer.clock !== clock) continue;
    open(request, "Z", key, nth++, deletes, 1);
    args.text(timer.member);
  }
  for (let i = 0, nth = 0; nth < sets; i++) {
    const timer = timerSets[i]!;
    if (timer.clock !== clock) continue;
    open(request, "z", key, nth++, sets, 2);
    args.integer(timer.time);
    args.text(timer.member);
  }
}

function encodeNumbered(request: Request, key: Encoded, deletes: Commit["heldDeletes"], puts: Commit["heldPuts"]): void {
  const { args } = request;
  for (let i = 0; i < deletes.length; i++) {
    open(request, "H", key, i, deletes.length, 1);
    args.integer(deletes[i]!);
  }
  for (let i = 0; i < puts.length; i++) {
    open(request, "h", key, i, puts.length, 2);
    args.integer(puts[i]!.id);
    args.bytes(puts[i]!.bytes);
  }
}
