/** What `recover.lua`, `summary.lua`, `progress.lua`, `workers.lua` and `timers.lua` answer, as the values of the Store contract. */
import { comparePlaces } from "../../dedup/place.ts";
import { DecodeError } from "../../errors.ts";
import { indexOf, participantOf, type ShardRef } from "../../key.ts";
import type { HoldSet, Numbered } from "../commit.ts";
import type { EntryCounts, RecoveredShard, ShardProgress, ShardSummary, StoredOutboxEntry, StoredTimerEntry, StoredWorker } from "../store.ts";
import { parseOutboxEntry } from "./outbox-text.ts";
import { asBytes, asList, asNumber, asText } from "./reply.ts";

/** Every structure counts its sentinel. */
const without = (count: unknown): number => asNumber(count) - 1;

export function recoveredShard(shard: ShardRef, reply: unknown): RecoveredShard {
  const [stored, counts, timers, wall, holds, held, outbox] = asList(reply).map(asList);
  const [number, image, position, offset, tail, queued] = stored!;
  const [stateCount, watermarkTimerCount, wallTimerCount, holdCount, deadCount, idCount, parcels] = counts!.map(without);
  checkInbox(shard, asNumber(tail) - asNumber(position), parcels!);
  return {
    shard,
    number: asNumber(number),
    image: asBytes(image),
    position: asNumber(position),
    offset: asNumber(offset),
    tail: asNumber(tail),
    queued: asNumber(queued),
    stateCount: stateCount!,
    idCount: idCount!,
    deadCount: deadCount!,
    watermarkTimers: timerEntries(timers),
    wallTimers: timerEntries(wall),
    watermarkTimerCount: watermarkTimerCount!,
    wallTimerCount: wallTimerCount!,
    holds: times(holds),
    holdCount: holdCount!,
    held: numbered(held!),
    outbox: outboxEntries(outbox!),
  };
}

/**
 * A script's writes are one transaction of the append-only file, of which a killed server may leave a part that a later start
 * joins to what follows (docs/redis.md, "Killed while it was writing a commit"). Positions in it are absolute and come out
 * right; parcels are appended, and trimmed, once too often. No later commit makes that good, so a new owner still sees it.
 */
function checkInbox(shard: ShardRef, due: number, there: number): void {
  if (there === due) return;
  throw new DecodeError(
    `the inbox of shard ${indexOf(shard)} of participant ${participantOf(shard)} has ${there} parcels where ${due} wait to be consumed: a part of a commit is ` +
      `there twice or gone, as when Redis was killed twice within a short time, or something else wrote to it. Nobody can go on from there without ` +
      "losing or repeating records: run `millrace audit`, and restore a copy of the data",
  );
}

/** Of `workers.lua`: (worker until about)*. */
export function storedWorkers(reply: unknown): StoredWorker[] {
  const flat = asList(reply);
  const workers: StoredWorker[] = [];
  for (let i = 0; i < flat.length; i += 3) {
    const about = flat[i + 2] === null ? "" : asText(flat[i + 2]);
    workers.push({ worker: asText(flat[i]), until: asNumber(flat[i + 1]), about: about === "" ? undefined : about });
  }
  return workers.sort((a, b) => (a.worker < b.worker ? -1 : 1));
}

/** Names of a numbered structure without its sentinel, in order. */
export function numbersOf(fields: readonly string[]): number[] {
  return fields
    .filter((field) => field !== "")
    .map(Number)
    .sort((a, b) => a - b);
}

/** Of `progress.lua`, which has looked that there is such a shard. */
export function shardProgress(shard: ShardRef, reply: unknown): ShardProgress {
  const [stored, held, outbox] = asList(reply).map(asList);
  const [position, tail, image] = stored!;
  const names = (fields: readonly unknown[]): string[] => fields.map(asText).filter((field) => field !== "");
  const ids = names(held!).map(Number);
  return { shard, position: asNumber(position), tail: asNumber(tail), image: asBytes(image), held: ids.sort((a, b) => a - b), outbox: names(outbox!) };
}

/** undefined: there is no such shard. */
export function shardSummary(shard: ShardRef, reply: unknown): ShardSummary | undefined {
  const [stored, counts] = asList(reply).map(asList);
  if (stored === undefined || counts === undefined) return undefined;
  const [sequencer, owner, leaseUntil, number, image, queued, tail] = stored;
  const [stateCount, watermarkTimers, wallTimers, held, dead, outbox] = counts.map(without);
  return {
    shard,
    sequencer: sequencer === null ? undefined : asText(sequencer),
    owner: owner === null ? undefined : asText(owner),
    leaseUntil: asNumber(leaseUntil),
    number: asNumber(number),
    image: asBytes(image),
    queued: asNumber(queued),
    tail: asNumber(tail),
    stateCount: stateCount!,
    watermarkTimers: watermarkTimers!,
    wallTimers: wallTimers!,
    held: held!,
    dead: dead!,
    outbox: outbox!,
  };
}

export function countsOf(summaries: readonly (ShardSummary | undefined)[]): EntryCounts {
  const total = { state: 0, timers: 0, queued: 0, held: 0, dead: 0, outbox: 0 };
  for (const summary of summaries) {
    if (summary === undefined) continue;
    total.state += summary.stateCount;
    total.timers += summary.watermarkTimers + summary.wallTimers;
    total.queued += summary.queued;
    total.held += summary.held;
    total.dead += summary.dead;
    total.outbox += summary.outbox;
  }
  return total;
}

/** Of (member time)* and (hold)*. */
export function timerEntries(reply: unknown): StoredTimerEntry[] {
  const [entries, holds] = asList(reply);
  const found = asList(holds);
  return times(entries).map(({ member, time }, i) => {
    const hold = found[i];
    return { member, time, hold: hold === null ? undefined : asNumber(hold) };
  });
}

/** Of (member time)*. */
export function times(reply: unknown): HoldSet[] {
  const flat = asList(reply);
  const members: HoldSet[] = [];
  for (let i = 0; i < flat.length; i += 2) members.push({ member: asText(flat[i]), time: asNumber(flat[i + 1]) });
  return members;
}

/** Of (id bytes)*, in the order of ids; without the sentinel. */
function numbered(flat: readonly unknown[]): Numbered[] {
  const entries: Numbered[] = [];
  for (const [field, value] of pairs(flat)) entries.push({ id: Number(field), bytes: value });
  return entries.sort((a, b) => a.id - b.id);
}

function outboxEntries(flat: readonly unknown[]): StoredOutboxEntry[] {
  const entries = pairs(flat).map(([field, value]) => parseOutboxEntry(field, value));
  return entries.sort((a, b) => a.target - b.target || comparePlaces(a.place, b.place));
}

function pairs(flat: readonly unknown[]): (readonly [string, Uint8Array])[] {
  const entries: (readonly [string, Uint8Array])[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const field = asText(flat[i]);
    if (field !== "") entries.push([field, asBytes(flat[i + 1])!]);
  }
  return entries;
}
