/**
 * The part of the auditor that looks at percentile watermarks. It keeps its own account of what waits in inboxes.
 *
 * A13 A shard's percentile watermark never falls, is never below the low one, comes to the end with it, and passes neither
 *     what feeds it nor a record that was not behind it when it was appended and is not done. A published one never falls,
 *     and passes none of its shards. What an injector injects at no less than it has promised is not behind downstream.
 */
import { participantOf, type ShardRef, shardRef } from "../../key.ts";
import type { Commit } from "../../store/commit.ts";
import type { Delivery, DeliverReply, ParticipantWatermark } from "../../store/store.ts";
import { BEGINNING, END } from "../../time.ts";
import { isPercentileTrack, participantOfTrack, percentileOfTrack, type Track, trackOf } from "../../watermark/percentile.ts";
import { decodeImage } from "../../worker/image.ts";
import { unpackParcel } from "../../worker/parcel.ts";
import type { Plan, PlannedParticipant } from "../../worker/plan.ts";
import { name } from "./store-request.ts";
import { upstreamBound } from "./upstream-bound.ts";
import { check } from "./violation.ts";

type Values = ReadonlyMap<number, number>;

/** One shard, by the commits that were applied. */
interface Shard {
  readonly position: number;
  readonly offset: number;
  /** Of each parcel that is not wholly consumed, its records' timestamps; undefined: it was behind when it was appended. */
  readonly parcels: readonly (readonly (number | undefined)[])[];
  /** The same of what was handed over by a commit of the chain that its next commit is of. */
  readonly handed: readonly (number | undefined)[];
  readonly input: number;
  readonly values: Values;
}

const FRESH: Shard = { position: 0, offset: 0, parcels: [], handed: [], input: BEGINNING, values: new Map() };

export class PercentileAudit {
  readonly #participants: ReadonlyMap<number, PlannedParticipant>;
  readonly #shards: Map<ShardRef, Shard>;
  /** What upstream has allowed at most, so far, by the id of the track that it is allowed to. */
  readonly #bounds: Map<number, number>;
  /** What the injector of an outbox entry had promised before. */
  readonly #promised: Map<string, Values>;
  #published: ReadonlyMap<number, number>;

  private constructor(
    participants: ReadonlyMap<number, PlannedParticipant>,
    shards: ReadonlyMap<ShardRef, Shard>,
    bounds: ReadonlyMap<number, number>,
    promised: ReadonlyMap<string, Values>,
    published: ReadonlyMap<number, number>,
  ) {
    this.#participants = participants;
    this.#shards = new Map(shards);
    this.#bounds = new Map(bounds);
    this.#promised = new Map(promised);
    this.#published = published;
  }

  /** undefined: no timer goes by a percentile. */
  static of({ participants }: Plan): PercentileAudit | undefined {
    const following = participants.some(({ tracks }) => tracks.length > 1);
    const byId = new Map(participants.map((participant) => [participant.id, participant]));
    return following ? new PercentileAudit(byId, new Map(), new Map(), new Map(), new Map()) : undefined;
  }

  copy(): PercentileAudit {
    return new PercentileAudit(this.#participants, this.#shards, this.#bounds, this.#promised, this.#published);
  }

  committed(commit: Commit): void {
    const { shard, consumed, sequencer } = commit;
    const participant = this.#participants.get(participantOf(shard));
    if (participant === undefined) return;
    const before = this.#shardOf(shard);
    const { percentiles: values, input } = decodeImage(commit.image);
    this.#check(participant, commit, before, values, input);
    let { position, offset } = before;
    let { parcels } = before;
    if (consumed !== undefined) {
      parcels = parcels.slice(consumed.position - position);
      ({ position, offset } = consumed);
    }
    this.#shards.set(shard, { position, offset, parcels, handed: [], input, values });
    const promised = participant.kind === "injector" ? before.values : NONE;
    for (const { target, bytes } of commit.parcels) this.#append(participant, promised, target, bytes);
    for (const { target, bytes } of commit.handed) this.#append(participant, promised, target, bytes, "handed");
    if (participant.kind !== "injector") return;
    const monotonic = sequencer.slice(0, sequencer.indexOf("."));
    for (const { target, n } of commit.outbox) this.#promised.set(`${shard} ${target} ${monotonic}/${n}`, promised);
  }

  delivered(deliveries: readonly Delivery[], { outcomes }: DeliverReply): void {
    deliveries.forEach(({ from, to, place, bytes }, i) => {
      if (outcomes[i]?.outcome !== "delivered") return;
      this.#append(this.#participants.get(participantOf(from)), this.#promised.get(`${from} ${to} ${place.monotonic}/${place.n}`) ?? NONE, to, bytes);
    });
  }

  published(watermarks: readonly ParticipantWatermark[]): void {
    const vector = new Map(watermarks.map((watermark) => [watermark.participant, watermark]));
    for (const { participant: track, output } of watermarks) {
      const before = this.#published.get(track) ?? BEGINNING;
      if (!isPercentileTrack(track) || output === before) continue;
      const participant = this.#participants.get(participantOfTrack(track)) as PlannedParticipant;
      check(output > before, "A13 falls", () => `${participant.name} from ${before} to ${output}`);
      for (let index = 0; index < participant.shards; index++) {
        const shard = this.#shardOf(shardRef(participant.id, index));
        const promised = shard.values.get(percentileOfTrack(track)) ?? BEGINNING;
        const limit = Math.max(shard.input, participant.kind === "injector" ? promised : limitOf(shard));
        check(output <= limit, "A13 passes", () => `${participant.name} has published ${output}; shard ${index} allows ${limit}`);
      }
    }
    this.#published = new Map(watermarks.map(({ participant, output }) => [participant, output]));
    for (const participant of this.#participants.values()) for (const track of participant.tracks) this.#raise(participant, track, vector);
  }

  #check(participant: PlannedParticipant, { shard, number }: Commit, before: Shard, values: Values, input: number): void {
    const what = (): string => `${name(shard)}#${number}`;
    for (const { id, percentile } of participant.tracks) {
      if (percentile === undefined) continue;
      const value = values.get(percentile) ?? BEGINNING;
      const last = before.values.get(percentile) ?? BEGINNING;
      check(value >= last, "A13 falls", () => `${what()} from ${last} to ${value}`);
      check(value >= input, "A13 below the low watermark", () => `${what()} has ${value} and ${input}`);
      check(value < END || input === END, "A13 ends", () => `${what()} has come to the end, its low watermark to ${input}`);
      if (participant.kind === "injector") continue;
      const bound = Math.max(this.#bounds.get(participant.id) ?? BEGINNING, this.#bounds.get(id) ?? BEGINNING);
      check(value <= bound, "A13 passes upstream", () => `${what()} has ${value}, upstream allows ${bound}`);
      const limit = Math.max(input, limitOf(before));
      check(value <= limit, "A13 passes a record", () => `${what()} has ${value}, a record waits at ${limit}`);
    }
  }

  #append(from: PlannedParticipant | undefined, promised: Values, target: ShardRef, bytes: Uint8Array, how?: "handed"): void {
    const participant = this.#participants.get(participantOf(target));
    if (participant === undefined) return;
    const bounds = participant.tracks.map(({ id }) => this.#bounds.get(id) ?? BEGINNING);
    const furthest = Math.max(...bounds);
    // One that may be idle promises nothing to those that have other inputs.
    const idles = from?.kind === "injector" && from.node.source.watermark.idleAfter !== undefined && participant.upstream.length > 1;
    const records: (number | undefined)[] = [];
    unpackParcel(bytes, ({ timestamp }) => {
      records.push(timestamp >= furthest ? timestamp : undefined);
      for (const [percentile, value] of promised) {
        const bound = this.#bounds.get(trackOf(participant.id, percentile)) ?? BEGINNING;
        const behind = !idles && value > BEGINNING && timestamp >= value && timestamp < bound;
        check(!behind, "A13 behind downstream", () => `${from?.name} injects at ${timestamp}, after ${value}; ${participant.name} may stand at ${bound}`);
      }
    });
    const shard = this.#shardOf(target);
    const to = how === "handed" ? { handed: [...shard.handed, ...records] } : { parcels: [...shard.parcels, records] };
    this.#shards.set(target, { ...shard, ...to });
  }

  #raise({ id, kind, upstream }: PlannedParticipant, { id: track, percentile }: Track, vector: ReadonlyMap<number, ParticipantWatermark>): void {
    if (kind === "injector") return;
    const least = upstreamBound(upstream, (each) => {
      const { output, status } = vector.get(each) ?? { output: BEGINNING, status: "live" };
      const own = percentile === undefined ? BEGINNING : (vector.get(trackOf(each, percentile))?.output ?? BEGINNING);
      return { status, output: Math.max(output, own) };
    });
    if (least > (this.#bounds.get(track) ?? BEGINNING)) this.#bounds.set(track, least);
    if (percentile !== undefined && (this.#bounds.get(id) ?? BEGINNING) > (this.#bounds.get(track) ?? BEGINNING))
      this.#bounds.set(track, this.#bounds.get(id) as number);
  }

  #shardOf(shard: ShardRef): Shard {
    return this.#shards.get(shard) ?? FRESH;
  }
}

const NONE: Values = new Map();

/** The largest percentile watermark that the records allow which wait in its inbox. */
function limitOf({ parcels, offset, handed }: Shard): number {
  let limit = END;
  for (const time of handed) limit = Math.min(limit, time ?? END);
  parcels.forEach((records, i) => {
    for (let at = i === 0 ? offset : 0; at < records.length; at++) limit = Math.min(limit, records[at] ?? END);
  });
  return limit;
}
