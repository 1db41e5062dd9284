/** Operators who have timers moved, fired before their time, or deleted, as `worker/operated-timers.ts` does it: which, when and how is on the tape. */
import { parseTimerMember } from "../../store/address.ts";
import { ComputationShard } from "../../worker/computation-shard.ts";
import type { TimerAction, TimerCommand } from "../../worker/computation-operated.ts";
import type { Simulation } from "./simulation.ts";

/** Timers of one shard and clock of which one is picked. */
const SEEN = 8;

/** Does an operator ask something of a timer now, but of those that are `spared`? It is read first; by the time that the owner hears of it, all may be otherwise. */
export function askOfTimer({ tape, store, workers, time, trace }: Simulation, spared: readonly string[]): boolean {
  const worker = tape.pick(workers);
  const owned = [...worker.engine.shards.values()].filter((shard) => shard instanceof ComputationShard);
  if (owned.length === 0) return false;
  const { ref, planned } = tape.pick(owned);
  const clock = tape.pick(["watermark", "wall"] as const);
  const named = planned.timers.filter(({ node }) => !spared.includes(node.name)).map(({ id }) => id);
  const listed = store.data.readTimers(ref, clock, SEEN).filter(({ member }) => named.includes(parseTimerMember(member).timer));
  if (listed.length === 0) return false;
  const { member, time: set } = tape.pick(listed);
  const action = tape.pick<TimerAction>([{ kind: "delete" }, { kind: "fire" }, { kind: "move", to: Math.max(0, set + tape.pick([1, 200, -30, 2_000])) }]);
  const owner = worker.engine.computation(ref);
  trace.line(() => `operator asks ${worker.name} of timer ${member} for ${set} of ${ref}: ${JSON.stringify(action)}`);
  worker.ask(`hears of timer ${member}`, time + tape.pick([0, 0, 5, 300]), () => {
    // The same one, not a later one of this worker's.
    if (owner === undefined || worker.engine.computation(ref) !== owner) return;
    const command: TimerCommand = { action, clock, member, time: set, outcome: undefined };
    owner.command(command);
    store.audit.commanded(ref, owner.sequencer, command);
    trace.saw(`timer ${action.kind}`);
  });
  return true;
}
