/**
 * Which worker is to own which shard: a function of who is alive and of the graph, and of nothing else. Pure.
 *
 * A1  Every shard has exactly one worker (none, if all workers decline its participant), and every worker that computes this gets the same.
 * A2  Of each participant, and of all participants together, no two workers that decline nothing have numbers of shards that differ by more
 *     than one. So shards of injectors and sinks, which have few, are spread over the workers.
 * A3  When one worker comes or goes, little more moves than has to: what it takes or leaves, and what evens out chance. When one takes
 *     another's place (`place.ts`), nothing does.
 *
 * A shard goes to the worker that weighs most for it (rendezvous hashing) among those that have room. Pairs are taken in
 * the order of their weights, so that who has room for a shard hardly depends on who else is alive.
 */
import { shardOf, type ShardRef, shardRef } from "../key.ts";
import { placeOf } from "./place.ts";

interface Assignable {
  readonly id: number;
  readonly shards: number;
}
interface Pair {
  readonly weight: number;
  readonly worker: string;
  readonly shard: ShardRef;
}

/** `everyone`: each once, in any order. `declines`: does a worker leave a participant to others? If all do, no one has its shards. */
export function assign(
  everyone: readonly string[],
  participants: readonly Assignable[],
  declines: (worker: string, participant: number) => boolean = () => false,
): ReadonlyMap<ShardRef, string> {
  const assigned = new Map<ShardRef, string>();
  /** Participants of which each worker has one shard more than others. */
  const extras = new Map<string, number>(everyone.map((worker) => [worker, 0]));
  for (const { id, shards } of participants) {
    const workers = everyone.filter((worker) => !declines(worker, id));
    if (workers.length === 0) continue;
    const room = new Map<string, number>(workers.map((worker) => [worker, Math.floor(shards / workers.length)]));
    for (const worker of mostEntitled(workers, extras, id).slice(0, shards % workers.length)) {
      extras.set(worker, count(extras, worker) + 1);
      room.set(worker, count(room, worker) + 1);
    }
    for (const { worker, shard } of pairsOf(workers, id, shards)) {
      const left = count(room, worker);
      if (left === 0 || assigned.has(shard)) continue;
      assigned.set(shard, worker);
      room.set(worker, left - 1);
    }
  }
  return assigned;
}

/** Who has had the fewest shards beyond an even share comes first; among those, who weighs most. */
function mostEntitled(workers: readonly string[], extras: ReadonlyMap<string, number>, participant: number): string[] {
  const weights = new Map(workers.map((worker) => [worker, weightOf(placeOf(worker).name, `${participant}`)]));
  return workers.toSorted((a, b) => count(extras, a) - count(extras, b) || count(weights, b) - count(weights, a) || (a < b ? -1 : 1));
}

function pairsOf(workers: readonly string[], participant: number, shards: number): Pair[] {
  const pairs: Pair[] = [];
  for (const worker of workers) {
    const { name } = placeOf(worker);
    for (let index = 0; index < shards; index++) pairs.push({ weight: weightOf(name, `${participant}.${index}`), worker, shard: shardRef(participant, index) });
  }
  return pairs.sort((a, b) => b.weight - a.weight || a.shard - b.shard || (a.worker < b.worker ? -1 : 1));
}

const weightOf = (place: string, what: string): number => shardOf(`${place} ${what}`, 2 ** 32);
const count = (counts: ReadonlyMap<string, number>, worker: string): number => counts.get(worker) ?? 0;
