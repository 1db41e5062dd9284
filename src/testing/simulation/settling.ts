/**
 * Whether shards come to be where they are assigned, and stay there: runs a simulation on after all its work is done, until
 * nothing goes wrong any more, and then some.
 *
 * S4  Within a bounded number of steps every shard is owned by the worker to which those alive assign it.
 * S5  Then nothing moves, once what was under way has told of all its consequences: a registration that arrived late
 *     may cost its worker its shards once more. One that is alone finds that out with its next report, up to a lease later,
 *     which waits for the next announcement, and its timers may ring late.
 */
import { type ShardRef, shardRef } from "../../key.ts";
import { assign } from "../../worker/assignment.ts";
import { parseAnnounced } from "../../worker/declined.ts";
import type { Simulation } from "./simulation.ts";
import { name } from "./store-request.ts";
import { check, Violation } from "./violation.ts";

/** Steps within which all must be where it is assigned. */
const STEPS = 30_000;
/** ms for which nothing may move then. */
const STILL = 1_500;

export function settle(simulation: Simulation): void {
  place(simulation);
  pass(simulation, 2 * simulation.options.settings.leaseMs);
  place(simulation);
  const { trace, workers } = simulation;
  if (workers.length > 1 && workers.every(({ engine }) => engine.shards.size > 0)) trace.saw("each has its share");
  const before = sequencersIn(simulation);
  pass(simulation, STILL);
  sequencersIn(simulation).forEach((sequencer, shard) =>
    check(sequencer === before.get(shard), "S5 moved", () => `${name(shard)} was at rest under ${before.get(shard)} and is now under ${sequencer}`),
  );
}

function place(simulation: Simulation): void {
  const last = simulation.steps + STEPS;
  for (let misplaced = misplacedIn(simulation); misplaced !== undefined; misplaced = misplacedIn(simulation)) {
    if (simulation.steps > last) throw new Violation("S4 not settled", `${STEPS} steps were not enough: ${misplaced}`);
    simulation.step();
  }
}

function pass(simulation: Simulation, ms: number): void {
  for (const until = simulation.time + ms; simulation.time < until; ) simulation.step();
}

/** What is not as it is to be; undefined: all is. */
function misplacedIn(simulation: Simulation): string | undefined {
  const { store, time, workers, starts, faulty, busy } = simulation;
  if (faulty || busy) return "something is under way";
  // A line that was clogged brings the answer to what was asked long ago, and what its worker makes of it.
  if (workers.some(({ connection }) => connection.nextArrival < Number.POSITIVE_INFINITY || connection.nextAnswer < Number.POSITIVE_INFINITY))
    return "calls are under way";
  if (!workers.every(({ engine }) => engine.ownership.complete)) return "a worker has not begun with all its shards";
  const names = starts.counting(workers.map((worker) => worker.name)).sort();
  const { workers: alive, declines } = parseAnnounced(store.data.alive(time + store.skew));
  if (alive.join() !== names.join()) return `${alive.join()} have announced themselves, ${names.join()} are alive`;
  const assigned = assign(names, simulation.plan.participants, declines);
  const owned = ownersIn(simulation);
  for (const [shard, worker] of assigned) if (owned.get(shard) !== worker) return `${name(shard)} is ${owned.get(shard)}'s, assigned to ${worker}`;
  return undefined;
}

function ownersIn(simulation: Simulation): Map<ShardRef, string | undefined> {
  return new Map(simulation.store.data.summarize(shardsOf(simulation)).map(({ shard, owner }) => [shard, owner]));
}
function sequencersIn(simulation: Simulation): Map<ShardRef, string | undefined> {
  return new Map(simulation.store.data.summarize(shardsOf(simulation)).map(({ shard, sequencer }) => [shard, sequencer]));
}
function shardsOf({ plan }: Simulation): ShardRef[] {
  return plan.participants.flatMap(({ id, shards }) => Array.from({ length: shards }, (_, index) => shardRef(id, index)));
}
