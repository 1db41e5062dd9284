/**
 * Who truly holds a watermark: asks the shard that is furthest behind and, where that waits for its inputs, follows
 * them up to the injector or participant that does not. It decides nothing and remembers nothing.
 *
 * C1  The answer names something that has to happen before the watermark can rise.
 * C2  Of a participant's shards, one without an owner holds before all others, for no report counts without it.
 */
import { indexOf, participantOf, type ShardRef, shardRef } from "../key.ts";
import { END } from "../time.ts";
import type { Runner } from "../watermark/skew.ts";
import type { Engine } from "../worker/engine.ts";
import type { Holder } from "../worker/holder.ts";
import type { OwnedShard } from "../worker/owned-shard.ts";
import type { PlannedParticipant } from "../worker/plan.ts";
import type { HolderView } from "./views.ts";

export interface Cause extends Omit<Holder, "kind"> {
  readonly kind: HolderView["kind"];
  readonly participant: PlannedParticipant;
  /** From the one that was asked about to `participant`. */
  readonly path: readonly string[];
  readonly since: number;
  readonly worker?: string | undefined;
  readonly blockers?: readonly ShardRef[] | undefined;
  /** The injector that is waited for. */
  readonly slowest?: Runner | undefined;
}

/** What holds a participant's output watermark; undefined: it is at the end of time. */
export function causeOf(engine: Engine, participant: PlannedParticipant): Cause | undefined {
  const { output } = engine.reporter.published(participant.id);
  if (output === END) return undefined;
  return follow(engine, participant, []);
}

/** What holds the output watermark of one shard that this worker owns. */
export function causeOfShard(engine: Engine, participant: PlannedParticipant, shard: OwnedShard): Cause | undefined {
  if (shard.output === END) return undefined;
  return causeFrom(engine, participant, shard, [participant.name]);
}

/** What holds a shard that this worker does not own. */
export function causeOfMissing(engine: Engine, participant: PlannedParticipant, shard: ShardRef): Cause {
  const { output: at, since } = engine.reporter.published(participant.id);
  const worker = engine.ownership.otherOwnerOf(shard);
  const stage = engine.ownership.stageOf(shard);
  const kind = worker !== undefined ? "elsewhere" : stage === "wanted" || stage === "acquiring" ? "unowned" : "recovering";
  return { kind, participant, path: [participant.name], at, since, shard, worker };
}

function follow(engine: Engine, participant: PlannedParticipant, from: readonly string[]): Cause {
  const path = [...from, participant.name];
  const { output: at, since } = engine.reporter.published(participant.id);
  const missing = missingShards(engine, participant).map((shard) => causeOfMissing(engine, participant, shard));
  const unowned = missing.find(({ kind }) => kind !== "elsewhere");
  if (unowned !== undefined) return { ...unowned, path };
  const lowest = lowestShard(engine.shardsOf(participant));
  if (lowest !== undefined && lowest.output <= at) return causeFrom(engine, participant, lowest, path);
  if (missing[0] !== undefined) return { ...missing[0], path };
  return { kind: "report", participant, path, at, since, shard: lowest?.ref };
}

function causeFrom(engine: Engine, participant: PlannedParticipant, shard: OwnedShard, path: readonly string[]): Cause {
  const { kind, ...holder } = shard.why();
  const published = engine.reporter.published(participant.id).since;
  const base = { ...holder, participant, path, shard: shard.ref, since: Math.max(published, holder.since ?? 0) };
  if (kind === "end") return { ...base, kind: "report" };
  if (kind === "upstream") {
    const next = heldBack(engine, participant, shard.output);
    return next === undefined ? { ...base, kind: "report" } : follow(engine, next, path);
  }
  if (kind === "skew") return { ...base, kind, slowest: engine.reporter.slowestBeside(participant.id) };
  if (kind === "unread") return { ...base, kind, records: engine.queuedOf(shard.ref) };
  const blockers = kind === "promise" || kind === "record" ? blockersOf(engine, participant.id) : [];
  return blockers.length > 0 ? { ...base, kind: "back-pressure", blockers } : { ...base, kind };
}

/** The input that keeps the watermark at `at`; undefined: none does, and the shard is about to take over more. */
function heldBack(engine: Engine, participant: PlannedParticipant, at: number): PlannedParticipant | undefined {
  const inputs = participant.upstream.map((id) => ({ id, ...engine.reporter.published(id) })).filter(({ status }) => status !== "finished");
  const active = inputs.filter(({ status }) => status !== "idle");
  const candidates = active.length > 0 ? active.filter(({ output }) => output <= at) : inputs;
  const [lowest] = candidates.toSorted((a, b) => a.output - b.output);
  return lowest === undefined ? undefined : engine.participant(lowest.id);
}

/** Full inboxes that have to be worked off first, the nearest first: those it feeds, and those that these wait for. */
function blockersOf(engine: Engine, participant: number): ShardRef[] {
  const found = new Set(engine.blockers(participant));
  for (const shard of found) for (const next of engine.blockers(participantOf(shard))) found.add(next);
  return [...found];
}

function missingShards(engine: Engine, participant: PlannedParticipant): ShardRef[] {
  const missing: ShardRef[] = [];
  for (let index = 0; index < participant.shards; index++) {
    const shard = shardRef(participant.id, index);
    if (!engine.shards.has(shard)) missing.push(shard);
  }
  return missing;
}

function lowestShard(shards: readonly OwnedShard[]): OwnedShard | undefined {
  let lowest: OwnedShard | undefined;
  for (const shard of shards) if (lowest === undefined || shard.output < lowest.output) lowest = shard;
  return lowest;
}

/** Is it the only shard of its participant, so that its number says nothing? */
export const isOnlyShard = (cause: Cause): boolean => cause.participant.shards === 1;

export const shardIndex = (cause: Cause): number | null => (cause.shard === undefined ? null : indexOf(cause.shard));
