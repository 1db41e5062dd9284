/**
 * Draws commits: right ones, and such as their owner, their number, their graph or their inbox forbid. What is stored
 * is looked up in the model.
 */
import type { ShardRef } from "../../src/key.ts";
import { PARCEL_IDENTITY_BYTES, type Commit, type Consumption } from "../../src/store/commit.ts";
import type { MemoryData } from "../../src/store/memory-data.ts";
import type { RecoveredShard } from "../../src/store/store.ts";
import { ALL, FIELDS, KEYS, TIMES, type Draw } from "./draw.ts";
import type { CommitPart } from "./history.ts";

/** What a commit is drawn from. */
export interface CommitSource {
  readonly draw: Draw;
  readonly model: MemoryData;
  readonly graphVersion: number;
  /** Of the stored graph. */
  readonly shards: readonly ShardRef[];
  /** Tells parcels, ids and places apart; rises. */
  readonly unique: () => number;
  readonly without: readonly CommitPart[];
}

type Effects = Omit<Commit, "shard" | "sequencer" | "number" | "id" | "graphVersion">;

const NUMBERS = [1, 2, 3, 10, 20];

export function drawCommit(source: CommitSource, shard: ShardRef, sequencer: string): Commit {
  const { draw, model } = source;
  const stored = storedOf(model, shard);
  const number = stored.number + (draw.once(15) ? draw.one([0, 2, -1]) : 1);
  const graphVersion = source.graphVersion + (draw.once(25) ? draw.one([-1, 1_000]) : 0);
  const id = `c${source.unique()}`;
  return { ...left(drawEffects(source, stored), source.without), shard, sequencer, number, id, graphVersion };
}

/** A participant that is gone has stored nothing: who commits to it yet has an older graph. */
function storedOf(model: MemoryData, shard: ShardRef): Stored {
  try {
    const [stored] = model.recover([shard], { timers: 0, holds: 0 });
    return { ...stored!, parcels: model.readInbox(shard, 0, ALL).parcels };
  } catch {
    return { number: 0, position: 0, offset: 0, tail: 0, queued: 0, parcels: [], outbox: [] };
  }
}

type Stored = Pick<RecoveredShard, "number" | "position" | "offset" | "tail" | "queued" | "outbox"> & { readonly parcels: readonly Uint8Array[] };

function drawEffects({ draw, shards, unique }: CommitSource, stored: Stored): Effects {
  const fields = draw.some(FIELDS, 5);
  const members = (prefix: string): string[] => draw.some(KEYS, 4).map((key) => `${prefix}${key}`);
  const [watermarkSets, watermarkDeletes] = draw.parted(members("3:0:"));
  const [wallSets, wallDeletes] = draw.parted(members("3:0:"));
  const [holdSets, holdDeletes] = draw.parted([...members("t:3:0:"), ...members("w:3:0:"), ...members("k:")]);
  const parcels = draw.once(60) ? 40 : draw.below(4);
  return {
    image: draw.bytes(),
    consumed: draw.once(3) ? undefined : drawConsumption(draw, stored),
    stateFields: fields,
    stateValues: fields.map(() => (draw.once(3) ? undefined : draw.bytes())),
    timerSets: [
      ...watermarkSets.map((member) => ({ clock: "watermark" as const, member, time: draw.time() })),
      ...wallSets.map((member) => ({ clock: "wall" as const, member, time: draw.time() })),
    ],
    timerDeletes: [
      ...watermarkDeletes.map((member) => ({ clock: "watermark" as const, member })),
      ...wallDeletes.map((member) => ({ clock: "wall" as const, member })),
    ],
    holdSets: holdSets.map((member) => ({ member, time: draw.time() })),
    holdDeletes,
    heldPuts: draw.some(NUMBERS, 2).map((id) => ({ id, bytes: draw.bytes() })),
    heldDeletes: draw.some(NUMBERS, 2),
    deadPuts: draw.some(NUMBERS, 2).map((id) => ({ id, bytes: draw.bytes() })),
    deadDeletes: draw.some(NUMBERS, 1),
    ids: draw.some(KEYS, 3).map((id) => ({ id, timestamp: draw.time() })),
    idsExpireBelow: draw.once(4) ? draw.one(TIMES) : undefined,
    parcels: Array.from({ length: parcels }, () => ({ target: draw.shard(shards), records: 1 + draw.below(3), bytes: draw.parcel(`parcel ${unique()}`) })),
    chain: draw.one([undefined, undefined, 1, 2]),
    handed: [],
    outbox: Array.from({ length: draw.below(3) }, () => ({
      target: draw.shard(shards),
      records: 1 + draw.below(3),
      bytes: draw.parcel(`outbox ${unique()}`),
      n: unique(),
      previous: draw.previous(),
    })),
    outboxDeletes: [
      ...stored.outbox.filter(() => draw.once(3)).map(({ target, place }) => ({ target, place })),
      ...(draw.once(5) ? [{ target: draw.shard(shards), place: draw.place() }] : []),
    ],
    // One of the three stores has streams.
    entries: [],
  };
}

/** Mostly what the inbox has; sometimes another parcel's identity, or a place behind or ahead of it. */
function drawConsumption(draw: Draw, { position, offset, tail, queued, parcels }: Stored): Consumption | undefined {
  if (draw.once(20)) {
    const identity = draw.once(2) ? new Uint8Array(draw.below(30)) : draw.parcel("unknown").subarray(0, PARCEL_IDENTITY_BYTES);
    return { position: Math.max(0, position + draw.one([-1, 0, 1, 100])), offset: draw.below(2), records: 0, identity };
  }
  if (parcels.length === 0) return undefined;
  const skipped = draw.below(Math.min(parcels.length, 3));
  const partly = draw.once(3);
  const named = parcels[draw.once(12) ? draw.below(parcels.length) : skipped]!;
  const identity = named.subarray(0, PARCEL_IDENTITY_BYTES);
  const records = Math.min(queued, 1 + skipped);
  if (draw.once(20)) return { position: tail + 1, offset: 0, records, identity };
  if (partly) return { position: position + skipped, offset: (skipped === 0 ? offset : 0) + draw.one([0, 1, 1, 2]), records, identity };
  return { position: position + skipped + 1, offset: 0, records, identity };
}

/** Without the parts that shrinking left out. */
function left(effects: Effects, without: readonly CommitPart[]): Effects {
  const kept = { ...effects };
  for (const part of without) Object.assign(kept, EMPTY[part]);
  return kept;
}

const EMPTY: Readonly<Record<CommitPart, Partial<Effects>>> = {
  consumed: { consumed: undefined },
  state: { stateFields: [], stateValues: [] },
  timers: { timerSets: [], timerDeletes: [] },
  holds: { holdSets: [], holdDeletes: [] },
  held: { heldPuts: [], heldDeletes: [] },
  dead: { deadPuts: [], deadDeletes: [] },
  ids: { ids: [], idsExpireBelow: undefined },
  parcels: { parcels: [] },
  outbox: { outbox: [], outboxDeletes: [] },
};
