/**
 * What code that is no more has left in the shards of computations, under ids that the graph has retired: state, timers of
 * both clocks, and what they hold. Whoever owns a shard sweeps it, in the midst of all else.
 */
import { shardRef } from "../../src/key.ts";
import { expiryPrefix, stateField, statePrefixes, timerHold, timerMember, timerPrefix } from "../../src/store/address.ts";
import { NO_EFFECTS } from "../../src/store/commit.ts";
import type { MemoryData } from "../../src/store/memory-data.ts";
import type { StoredRetired } from "../../src/store/stored-graph.ts";
import type { Plan, PlannedParticipant } from "../../src/worker/plan.ts";

/** Entries of each kind in one shard of each computation: more than a page; and in each of the others. */
const MANY = 1_100;
const FEW = 5;

const NO_BYTES = new Uint8Array(0);

/** The same plan, of a graph that has retired a cell and a timer of each computation. */
export function withRetired(plan: Plan): Plan {
  let { nextId } = plan.stored;
  const participants = plan.participants.map((each): PlannedParticipant => {
    if (each.kind !== "computation") return each;
    const retired: StoredRetired = { participant: each.id, round: plan.version, cells: [nextId++], timers: [nextId++] };
    return { ...each, retired };
  });
  return { ...plan, participants };
}

/** Puts it there, as commits of before the run have left it. */
export function leaveBehind(data: MemoryData, plan: Plan): void {
  for (const { id, shards, ...participant } of plan.participants) {
    if (participant.kind !== "computation" || participant.retired === undefined) continue;
    const { cells, timers } = participant.retired;
    const [cell = 0, timer = 0] = [cells[0], timers[0]];
    for (let index = 0; index < shards; index++) {
      const keys = Array.from({ length: index === 0 ? MANY : FEW }, (_, n) => `left ${n}`);
      const set = keys.slice(0, FEW).flatMap((key, n) => [
        { clock: "watermark" as const, member: timerMember(timer, n, key), time: 2 ** 50 + n },
        { clock: "wall" as const, member: timerMember(timer, undefined, key), time: 2 ** 50 },
        { clock: "wall" as const, member: timerMember(0, cell, key), time: 2 ** 50 },
      ]);
      data.shard(shardRef(id, index)).apply({
        ...NO_EFFECTS,
        shard: shardRef(id, index),
        sequencer: "",
        number: 0,
        id: "",
        graphVersion: plan.version,
        image: undefined as never,
        stateFields: keys.map((key) => stateField(cell, key)),
        stateValues: keys.map(() => NO_BYTES),
        timerSets: set,
        holdSets: set
          .filter(({ clock, member }) => clock === "wall" && !member.startsWith("0:"))
          .map(({ clock, member }) => ({ member: timerHold(clock, member), time: 2 ** 49 })),
      });
    }
  }
}

/** What is still there of it, by name. */
export function stillLeft(data: MemoryData, plan: Plan): string[] {
  const left: string[] = [];
  for (const { id, shards, ...participant } of plan.participants) {
    if (participant.kind !== "computation" || participant.retired === undefined) continue;
    const { cells, timers } = participant.retired;
    const kinds = { state: cells.flatMap(statePrefixes), watermark: timers.map(timerPrefix), wall: [...timers.map(timerPrefix), ...cells.map(expiryPrefix)] };
    for (let index = 0; index < shards; index++) {
      const shard = data.shard(shardRef(id, index));
      for (const kind of ["state", "watermark", "wall"] as const) left.push(...shard.readNames(kind, kinds[kind], undefined, MANY).entries);
      for (const { member } of shard.readHolds(10_000)) if (timers.some((timer) => member.slice(2).startsWith(timerPrefix(timer)))) left.push(member);
    }
  }
  return left;
}
