/** What is stored of a pipeline's shards, whoever owns them: `/v1/shards`, `/v1/timers`, `/v1/dead-letters`. Reads, and changes nothing. */
import type { EffectRunner, FailedEffect } from "../effects/effects.ts";
import { indexOf, shardOf, type ShardRef, shardRef } from "../key.ts";
import { committedBytes } from "../sinks/to-file.ts";
import { parseTimerMember } from "../store/address.ts";
import type { Numbered, TimerClock } from "../store/commit.ts";
import type { PipelineStore, ShardSummary } from "../store/store.ts";
import { INBOX_HIGH } from "../worker/backlog.ts";
import { letterName } from "../worker/dead-letters.ts";
import { parseDeadLetter } from "../worker/held.ts";
import { decodeImage, newImage } from "../worker/image.ts";
import { timerName } from "../worker/operated-timers.ts";
import type { PlannedComputation, PlannedParticipant } from "../worker/plan.ts";
import { eventTime, isoOf } from "./times.ts";
import type { DeadLettersView, DeadLetterView, ShardView, TimersView, TimerView } from "./views.ts";

export function shardsOf(participant: PlannedParticipant): ShardRef[] {
  return Array.from({ length: participant.shards }, (_, index) => shardRef(participant.id, index));
}

export async function shardViews(store: PipelineStore, participants: readonly PlannedParticipant[]): Promise<ShardView[]> {
  const stored = await store.summarize(participants.flatMap(shardsOf));
  let next = 0;
  return participants.flatMap((participant) => shardsOf(participant).map(() => shardView(participant, stored[next++] as ShardSummary)));
}

function shardView(participant: PlannedParticipant, stored: ShardSummary): ShardView {
  const image = stored.image === undefined ? newImage() : decodeImage(stored.image);
  const leaseUntil = stored.owner === undefined ? undefined : stored.leaseUntil;
  return {
    participant: participant.name,
    shard: indexOf(stored.shard),
    owner: stored.owner ?? null,
    leaseUntil: leaseUntil ?? null,
    leaseUntilIso: isoOf(leaseUntil),
    sequencer: stored.sequencer ?? null,
    commit: stored.number,
    input: eventTime(image.input),
    queued: stored.queued,
    full: stored.queued > INBOX_HIGH,
    state: stored.stateCount,
    timers: { watermark: stored.watermarkTimers, wall: stored.wallTimers },
    held: stored.held,
    deadLetters: stored.dead,
    undelivered: stored.outbox,
    fileBytes: participant.kind === "sink" ? (committedBytes(participant.node.target, image.checkpoint) ?? null) : null,
    counters: image.counters,
  };
}

/** Timers of one shard and clock that are looked through for those of one key. */
const LOOKED_AT = 100_000;

export interface TimersQuery {
  /** Of this key alone. */
  readonly key?: string | undefined;
  readonly clock: TimerClock | undefined;
  readonly limit: number;
}

/** The earliest pending timers of all shards of these computations; the engine's own, which expire state, are not shown. */
export async function timersView(
  store: PipelineStore,
  computations: readonly PlannedComputation[],
  query: TimersQuery,
): Promise<Pick<TimersView, "total" | "timers">> {
  const clocks = query.clock === undefined ? (["watermark", "wall"] as const) : [query.clock];
  const found: TimerView[] = [];
  let total = 0;
  for (const computation of computations) {
    if (query.key !== undefined) {
      const ofKey = await ofOneKey(store, computation, query.key, clocks);
      total += ofKey.length;
      found.push(...ofKey);
      continue;
    }
    const shards = shardsOf(computation);
    for (const stored of await store.summarize(shards)) for (const clock of clocks) total += clock === "watermark" ? stored.watermarkTimers : stored.wallTimers;
    const heads = await Promise.all(shards.flatMap((shard) => clocks.map((clock) => headOf(store, computation, shard, clock, query.limit))));
    found.push(...heads.flat());
  }
  found.sort((a, b) => a.time - b.time || (a.key < b.key ? -1 : 1));
  return { total, timers: found.slice(0, query.limit) };
}

/** Timers are found by their times; of a key, among the earliest `LOOKED_AT` of its shard. */
async function ofOneKey(store: PipelineStore, computation: PlannedComputation, key: string, clocks: readonly TimerClock[]): Promise<TimerView[]> {
  const shard = shardRef(computation.id, shardOf(key, computation.shards));
  const heads = await Promise.all(clocks.map((clock) => headOf(store, computation, shard, clock, LOOKED_AT)));
  return heads.flat().filter((timer) => timer.key === key);
}

async function headOf(store: PipelineStore, computation: PlannedComputation, shard: ShardRef, clock: TimerClock, limit: number): Promise<TimerView[]> {
  const head = await store.readTimers(shard, clock, limit);
  return head.flatMap(({ member, time, hold }) => {
    const { timer, tag, key } = parseTimerMember(member);
    const name = computation.timers.find(({ id }) => id === timer)?.node.name;
    if (name === undefined) return [];
    const holds = hold ?? (clock === "watermark" ? time : null);
    return [
      {
        computation: computation.name,
        timer: timerName(member),
        shard: indexOf(shard),
        key,
        name,
        tag: tag ?? null,
        clock,
        time,
        timeIso: isoOf(time),
        holds,
      },
    ];
  });
}

/** Dead letters of these participants, the latest first. */
export async function deadLettersView(
  store: PipelineStore,
  participants: readonly PlannedParticipant[],
  limit: number,
  runner?: EffectRunner,
): Promise<Pick<DeadLettersView, "total" | "deadLetters">> {
  const found: DeadLetterView[] = [];
  let total = 0;
  for (const participant of participants) {
    const withSome = (await store.summarize(shardsOf(participant))).filter(({ dead }) => dead > 0);
    for (const { shard, dead } of withSome) {
      total += dead;
      for (const letter of await store.readDeadLetters(shard, dead)) found.push(deadLetterView(participant, shard, letter));
    }
  }
  for (const { name } of participants.filter((each) => each.kind === "computation" && each.node.effect !== undefined)) {
    const failed = (await runner?.failed?.(name, limit)) ?? [];
    total += failed.length;
    found.push(...failed.map(failedEffectView));
  }
  found.sort((a, b) => b.at - a.at);
  return { total, deadLetters: found.slice(0, limit) };
}

export function deadLetterView(participant: PlannedParticipant, shard: ShardRef, letter: Numbered): DeadLetterView {
  const { kind, key, id, timer, timestamp, reason, attempts, at } = parseDeadLetter(letter.bytes);
  return {
    participant: participant.name,
    letter: letterName(shard, letter),
    shard: indexOf(shard),
    kind,
    key,
    id: id ?? null,
    timer: timer === undefined ? null : nameOfTimer(participant, timer),
    time: Number.isFinite(timestamp) ? timestamp : null,
    reason,
    attempts,
    at,
    atIso: isoOf(at),
  };
}

/** What its runner keeps, which is in no shard any more. */
function failedEffectView({ effect, id, idempotencyKey, timestamp, reason, attempts, at }: FailedEffect): DeadLetterView {
  const none = { shard: null, kind: "record" as const, timer: null };
  return { participant: effect, letter: `job:${id}`, ...none, key: idempotencyKey, id, time: timestamp, reason, attempts, at, atIso: isoOf(at) };
}

function nameOfTimer(participant: PlannedParticipant, member: string): string | null {
  if (participant.kind !== "computation") return null;
  return participant.timers.find(({ id }) => id === parseTimerMember(member).timer)?.node.name ?? null;
}
