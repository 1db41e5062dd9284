/**
 * How long it takes until a pipeline goes on, against the size of its state: its worker is killed once that many keys have
 * a count, and another, already loaded, is told to begin. On Redis it waits for the leases of the dead one (`--lease`); what
 * it then reads is no state at all, so the size should not show.
 */
import { counters, type Load } from "./counter-pipeline.ts";
import { benchmark, settingOf } from "./harness/benchmark.ts";
import { measuredRun } from "./harness/measured-run.ts";
import { inTurn, round } from "./harness/medians.ts";

const SIZES = [1_000, 1_000_000];

export const recovery = benchmark({
  name: "recovery",
  about: "from a worker's death to the next one's first commit, against the size of the state",
  numbers: { keys: 0, records: 0, shards: 64, lease: 2_000 },
  run: async (given) => {
    const sizes = given.keys === 0 ? SIZES : [given.keys];
    return inTurn(given.runs, sizes, async (keys) => {
      // Every key has been met when the worker is killed, and enough is left to do for it to be killed in time.
      const records = given.records === 0 ? keys + 200_000 : given.records;
      const load: Load = { records, keys, hops: 1, shards: given.shards };
      const run = await measuredRun(counters, load, { ...settingOf(given), leaseMs: given.lease, killAt: Math.max(keys / records, 0.3) });
      const next = run.measured[1];
      return {
        bench: "recovery",
        store: given.store,
        fsync: given.fsync,
        keys,
        shards: given.shards,
        leaseMs: given.lease,
        outageMs: Math.round(run.recoveredMs ?? 0),
        // Of the second worker, from being told to begin: its first pull, its first commit.
        startMs: round(next?.startMs ?? 0, 0),
        firstCommitMs: round(next?.firstCommitMs ?? 0, 0),
        stateReads: next?.stateReads ?? null,
        ...run.figures,
      };
    });
  },
});
