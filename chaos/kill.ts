/**
 * `kill`: one of four workers is killed every 750 ms, while it holds shards and a batch that is not committed. Nothing may
 * be lost, doubled or out of order, and those who were not struck go on.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Arena } from "./arena.ts";
import { byMinute, bystanders, compared, latencies, longestPause, pathOf, recoveries, sickSpans, type Strike } from "./bystanders.ts";
import type { Load } from "./load.ts";
import { quantile, quantileOfWaits, rounded } from "./quantile.ts";
import type { ChaosResult, ScenarioOptions } from "./scenario.ts";
import { storedGraph } from "./stored-graph.ts";
import { comesTo, until } from "./until.ts";
import type { ChaosWorker } from "./worker.ts";

const EVERY = 750;
/** ms that a worker has to come to a commit, to be struck there: one that holds shards does, under load. */
const PATIENCE = 10_000;
/** Part of the time before the first kill, for comparison; ms at most. */
const BASELINE = 20_000;

export async function kill({ store, minutes = 2, cycles, rate = 1_000, leaseMs = 500, newcomers = false }: ScenarioOptions): Promise<ChaosResult> {
  const ms = minutes * 60_000;
  const quiet = cycles === undefined ? Math.min(BASELINE, ms / 4) : EVERY;
  // After so many kills, or after so long: then the number of records is that of the rate.
  const load: Load = {
    records: cycles === undefined ? Math.round((rate * (quiet + ms)) / 1_000) : 0,
    rate,
    keys: 200,
    partitions: 8,
    shape: "even",
    bendsAt: 0,
  };
  const arena = await Arena.open({ chaos: "kill", store, load, workers: store === "redis" ? 4 : 1, leaseMs });
  try {
    await arena.begin();
    if (cycles === undefined) arena.pass(load.records);
    else arena.flow();
    await delay(quiet);
    const from = Date.now();
    const strikes: Strike[] = [];
    const starts: Promise<unknown>[] = [];
    for (let next = from; cycles === undefined ? next < from + ms : strikes.length < cycles; next += EVERY) {
      await delay(next - Date.now());
      const { victim, strike } = await strikeOne(arena);
      if (strike !== undefined) strikes.push(strike);
      const start = arena.add(undefined, newcomers ? undefined : victim);
      if (store === "lmdb") await start;
      else starts.push(start);
    }
    const to = Date.now();
    await Promise.all(starts);
    return await concluded(arena, { strikes, from, to, quiet });
  } finally {
    await arena.close();
  }
}

/** Kills one of those that hold shards, in the middle of a batch. */
export async function strikeOne(arena: Arena): Promise<{ readonly victim: ChaosWorker; readonly strike: Strike | undefined }> {
  await until("a worker holds shards", () => arena.alive.some(({ working }) => working.size > 0));
  const holding = arena.alive.filter(({ working }) => working.size > 0);
  const victim: ChaosWorker | undefined = holding[Math.floor(Math.random() * holding.length)];
  if (victim === undefined) throw new Error("kill: no worker holds shards");
  victim.order({ strike: "SIGKILL" });
  // One that came to no commit is killed all the same, and does not count.
  if (!(await comesTo(() => victim.gone, PATIENCE, 2))) victim.signal("SIGKILL");
  await victim.exited;
  const [struck] = victim.struck;
  return { victim, strike: struck === undefined || struck.refs.length === 0 ? undefined : struck };
}

interface Measured {
  readonly strikes: readonly Strike[];
  readonly from: number;
  readonly to: number;
  readonly quiet: number;
}

async function concluded(arena: Arena, { strikes, from, to, quiet }: Measured): Promise<ChaosResult> {
  const { load, leaseMs, store } = arena.options;
  const { workers, tenures, startAt } = arena;
  const graph = arena.server === undefined ? undefined : await storedGraph(arena.server.socket);
  const result = await arena.conclude({ faults: strikes.length });
  const recovered = recoveries(strikes, tenures);
  // Its first second is that of a cold start.
  const before = latencies(workers, load, startAt, { from: startAt + Math.min(1_000, quiet / 2), to: startAt + quiet });
  // The one worker on LMDB has every shard.
  const during = graph === undefined ? [] : bystanders({ workers, load, startAt }, { from, to }, pathOf(load, graph), sickSpans(strikes, tenures, 200, 200));
  const p99 = compared(quantileOfWaits(during, 0.99), quantile(before, 0.99));
  return {
    ...result,
    recoveryP99Ms: rounded(quantile(recovered, 0.99)),
    bystanderP99Ratio: p99.ratio,
    details: {
      leaseMs,
      recoveryMaxMs: rounded(quantile(recovered, 1)),
      bystanderP99Ms: p99.during,
      bystanderP99MsByMinute: byMinute(during, { from, to }),
      quietP99Ms: p99.before,
      bystanders: during.length,
      bystandersCut: during.filter(({ cut }) => cut).length,
      longestPauseMs: store === "redis" ? longestPause(workers, from, to) : null,
    },
  };
}
