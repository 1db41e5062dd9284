/** The end of a run, for one shard: its store has what its commits said, and nothing of it is left to do. */
import type { RecoveredShard } from "../../store/store.ts";
import { END } from "../../time.ts";
import { parseHeld } from "../../worker/held.ts";
import { name } from "./store-request.ts";
import type { ShardLedger } from "./shard-ledger.ts";
import { check } from "./violation.ts";

/** `stored`: without timers and holds. */
export function checkDrained(stored: RecoveredShard, ledger: ShardLedger): void {
  const what = name(ledger.shard);
  const timers = stored.watermarkTimerCount + stored.wallTimerCount;
  const { number, queued, deadCount, held, outbox } = stored;
  const found = { number, timers, aside: held.length, queued, dead: deadCount };
  const told = { number: ledger.number, ...ledger.pending() };
  const agree = (Object.keys(found) as (keyof typeof found)[]).every((each) => found[each] === told[each]);
  check(agree, "store and commits differ", () => `${what} has ${JSON.stringify(found)}; by its commits ${JSON.stringify(told)}`);
  // A firing that holds nothing is waited for as little as its timer was.
  const waits = held.filter((each) => parseHeld(each).work.hold < END).length;
  check(queued === 0 && waits === 0, "not drained", () => `${what} has ${queued} records and ${waits} held at the end`);
  const { waiting } = ledger.outbox;
  check(waiting === 0, "not drained", () => `${what} has ${waiting} parcels to deliver at the end`);
  check(ledger.outbox.agrees(outbox), "store and commits differ", () => `${what} has another outbox than its commits say`);
  check(stored.watermarkTimerCount === 0, "not drained", () => `${what} has ${stored.watermarkTimerCount} event timers at the end`);
}
