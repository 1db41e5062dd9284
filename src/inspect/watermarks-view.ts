/** The low watermarks of a pipeline as one worker knows them: `/v1/watermarks` and the live display. */
import { indexOf, participantOf } from "../key.ts";
import type { ShardSummary } from "../store/store.ts";
import { BEGINNING, END } from "../time.ts";
import type { Engine } from "../worker/engine.ts";
import { decodeImage } from "../worker/image.ts";
import type { PlannedParticipant } from "../worker/plan.ts";
import type { Worker } from "../worker/worker.ts";
import { type Cause, causeOf, causeOfMissing, causeOfShard, shardIndex } from "./cause.ts";
import { causeText } from "./cause-text.ts";
import { eventTime, isoOf } from "./times.ts";
import type { PercentileWatermarks } from "./watermark-pair.ts";
import type { HolderView, Lag, ParticipantShardsView, ParticipantWatermarks, ShardWatermarks, WatermarksView } from "./views.ts";

/** `now`: ms by the worker's clock. */
export function watermarksView({ engine, name }: Worker, now: number): WatermarksView {
  const { plan } = engine.options;
  return {
    pipeline: plan.graph.pipeline,
    worker: name,
    now,
    nowIso: isoOf(now),
    participants: plan.participants.map((participant) => watermarksOf(engine, participant, now)),
  };
}

/** `stored`: of all its shards, by their order. */
export function participantShardsView(
  { engine, name }: Worker,
  participant: PlannedParticipant,
  stored: readonly ShardSummary[],
  now: number,
): ParticipantShardsView {
  return {
    pipeline: engine.options.plan.graph.pipeline,
    worker: name,
    now,
    ...watermarksOf(engine, participant, now),
    shards: stored.map((summary) => shardWatermarks(engine, name, participant, summary, now)),
  };
}

function watermarksOf(engine: Engine, participant: PlannedParticipant, now: number): ParticipantWatermarks {
  const { output, status, since } = engine.reporter.published(participant.id);
  const input = inputOf(engine, participant, output);
  const cause = causeOf(engine, participant);
  return {
    name: participant.name,
    kind: participant.kind,
    status,
    input: eventTime(input),
    inputIso: isoOf(input),
    output: eventTime(output),
    outputIso: isoOf(output),
    ...percentilesOf(engine, participant, { input, output }),
    since,
    sinceIso: isoOf(since),
    lag: lagOf(engine, participant, output, now),
    heldBy: cause === undefined ? null : holderView(cause, engine, now),
  };
}

/** Of shards that are not here only the output is known, and the input is at least that. */
function inputOf(engine: Engine, participant: PlannedParticipant, output: number): number {
  const owned = engine.shardsOf(participant);
  const inputs = owned.map((shard) => shard.input);
  if (owned.length < participant.shards) inputs.push(output);
  return Math.max(output, Math.min(END, ...inputs));
}

/** As the low ones: of shards that are not here only the output is known. */
function percentilesOf(engine: Engine, { id, shards, tracks }: PlannedParticipant, low: { readonly input: number; readonly output: number }) {
  const owned = engine.shards.of(id);
  const percentiles = tracks.flatMap(({ id: track, percentile }): PercentileWatermarks[] => {
    if (percentile === undefined) return [];
    const output = Math.max(low.output, engine.reporter.published(track).output);
    const inputs = owned.map(({ image }) => image.percentiles.get(percentile) ?? BEGINNING);
    if (owned.length < shards) inputs.push(output);
    const input = Math.max(low.input, output, Math.min(END, ...inputs));
    return [{ percentile, input: eventTime(input), inputIso: isoOf(input), output: eventTime(output), outputIso: isoOf(output) }];
  });
  return percentiles.length === 0 ? {} : { percentiles };
}

function lagOf(engine: Engine, participant: PlannedParticipant, output: number, now: number): Lag {
  if (output === END) return { clock: 0, inputs: participant.kind === "injector" ? null : 0 };
  const clock = output === BEGINNING ? null : Math.max(0, now - output);
  if (participant.kind === "injector") return { clock, inputs: null };
  const { bound, last } = engine.reporter.boundOf(participant);
  // What inputs that have ended allow is the end of time: what is left to be done is up to the last event.
  const allowed = bound === END ? last : Math.max(bound, output);
  return { clock, inputs: allowed === BEGINNING || output === BEGINNING ? null : Math.max(0, allowed - output) };
}

function shardWatermarks(engine: Engine, worker: string, participant: PlannedParticipant, stored: ShardSummary, now: number): ShardWatermarks {
  const shard = engine.shards.get(stored.shard);
  const input = shard?.input ?? (stored.image === undefined ? BEGINNING : decodeImage(stored.image).input);
  const output = shard?.output ?? BEGINNING;
  const cause = shard === undefined ? causeOfMissing(engine, participant, stored.shard) : causeOfShard(engine, participant, shard);
  return {
    shard: indexOf(stored.shard),
    owner: shard === undefined ? (stored.owner ?? null) : worker,
    input: eventTime(input),
    inputIso: isoOf(input),
    output: eventTime(output),
    outputIso: isoOf(output),
    queued: stored.queued,
    heldBy: cause === undefined ? null : holderView(cause, engine, now),
  };
}

function holderView(cause: Cause, engine: Engine, now: number): HolderView {
  const { key, name, tag, time, attempts, retryAt, records, commit, detail, worker, blockers } = cause;
  const given = {
    key,
    timer: cause.participant.kind === "computation" ? name : undefined,
    tag,
    time,
    attempts,
    retryAt: retryAt === Number.POSITIVE_INFINITY ? undefined : retryAt,
    records,
    commit,
    detail,
    worker,
    blockedBy: blockers?.map((ref) => ({ participant: engine.participant(participantOf(ref))?.name ?? "", shard: indexOf(ref), queued: engine.queuedOf(ref) })),
  };
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<HolderView>;
  return {
    kind: cause.kind,
    text: causeText(cause, engine, now),
    participant: cause.participant.name,
    shard: shardIndex(cause),
    path: cause.path,
    at: eventTime(cause.at),
    atIso: isoOf(cause.at),
    since: cause.since,
    sinceIso: isoOf(cause.since),
    ...known,
  };
}
