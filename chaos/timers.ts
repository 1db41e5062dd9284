/**
 * `timers`: a million keys have a timer each, all due at one millisecond; then 100,000 more records come, event time
 * passes that moment, and a worker is killed while the timers fire. None fires early, twice or never; no worker loses its
 * leases over it, and its heap stays what it was.
 */
import { Arena } from "./arena.ts";
import { recoveries, type Strike } from "./bystanders.ts";
import { keyOf, type Load } from "./load.ts";
import { quantile, rounded } from "./quantile.ts";
import type { ChaosResult, ScenarioOptions } from "./scenario.ts";
import { bucketOf } from "./timers-pipeline.ts";
import { comesTo, until } from "./until.ts";
import type { Verdict } from "./verifier.ts";

/** Records that come when all timers are set, for each timer. */
const BACKLOG = 0.1;

export async function timers({ store, records: keys = 1_000_000, leaseMs = 2_000 }: ScenarioOptions): Promise<ChaosResult> {
  const load: Load = { records: keys + Math.floor(keys * BACKLOG), rate: 0, keys, partitions: 4, shape: "timers", bendsAt: 0 };
  const workers = store === "redis" ? 3 : 1;
  const arena = await Arena.open({ chaos: "timers", store, load, workers, leaseMs, pipeline: "timers", batchRecords: 256 });
  try {
    await arena.begin();
    const began = Date.now();
    arena.pass(keys);
    await until("all timers are set", () => total(arena, "processed") === keys, { every: 100, within: 3_600_000 });
    const set = Date.now();
    const heapBefore = heapOf(arena);
    arena.pass(load.records);
    const strike = await strikeFiring(arena, keys);
    if (store === "lmdb") await arena.add();
    await arena.drain();
    const drained = Date.now();
    const result = await arena.conclude({});
    const { lost, doubled, wrong } = await verdict(arena);
    const strikes: Strike[] = strike === undefined ? [] : [strike];
    const fenced = arena.workers.filter(({ struck }) => struck.length === 0).map(({ pulses }) => pulses.at(-1)?.fenced ?? 0);
    const details = {
      timers: keys,
      setSeconds: (set - began) / 1_000,
      drainedSeconds: (drained - set) / 1_000,
      heapBeforeMiB: heapBefore,
      heapMostMiB: heapOf(arena, set),
      fencedOfTheOthers: Math.max(0, ...fenced),
    };
    return {
      ...result,
      lost,
      doubled,
      violations: result.violations + wrong,
      faults: strikes.length,
      recoveryP99Ms: rounded(quantile(recoveries(strikes, arena.tenures), 0.99)),
      details,
    };
  } finally {
    await arena.close();
  }
}

/** Kills a worker once a tenth of the timers has fired. */
async function strikeFiring(arena: Arena, keys: number): Promise<Strike | undefined> {
  await until("timers fire", () => total(arena, "fired") > keys / 10, { every: 50, within: 600_000 });
  const [victim] = arena.alive.toSorted((a, b) => (b.pulses.at(-1)?.fired ?? 0) - (a.pulses.at(-1)?.fired ?? 0));
  victim?.order({ strike: "SIGKILL" });
  await comesTo(() => victim?.gone === true, 10_000);
  return victim?.struck[0];
}

/** What the workers that are alive have told last. */
function total(arena: Arena, what: "processed" | "fired"): number {
  return arena.alive.reduce((sum, { pulses }) => sum + (pulses.at(-1)?.[what] ?? 0), 0);
}

/** The largest heap of any worker since then, MiB. */
function heapOf(arena: Arena, since = 0): number {
  const heaps = arena.workers.flatMap(({ pulses }) => pulses.filter(({ pulse }) => pulse >= since).map(({ heap }) => heap));
  return Math.round(Math.max(0, ...(since === 0 ? heaps.slice(-20) : heaps)) / 2 ** 20);
}

/** Compares the sums with plain code; what is too little is lost, what is too much doubled. */
async function verdict(arena: Arena): Promise<Pick<Verdict, "lost" | "doubled" | "wrong">> {
  const { load } = arena;
  const expected = new Map<string, { fired: number; keys: number; records: number }>();
  for (let n = 0; n < load.records; n++) {
    const key = keyOf(load, n);
    const sum = expected.get(bucketOf(key)) ?? { fired: 0, keys: 0, records: 0 };
    expected.set(bucketOf(key), sum);
    sum.records++;
    if (n >= load.keys) continue;
    sum.fired++;
    sum.keys += n;
  }
  let [lost, doubled, wrong] = [0, 0, 0];
  const found = new Set<string>();
  for await (const line of arena.lines()) {
    if (line.kind !== "window") continue;
    const sum = expected.get(line.key) ?? { fired: 0, keys: 0, records: 0 };
    if (found.has(line.key)) doubled++;
    found.add(line.key);
    lost += Math.max(0, sum.fired - line.count);
    doubled += Math.max(0, line.count - sum.fired);
    if (line.wrong !== undefined || line.sum !== sum.keys || line.start !== sum.records) wrong++;
  }
  for (const [bucket, { fired }] of expected) if (!found.has(bucket)) lost += fired;
  return { lost, doubled, wrong };
}
