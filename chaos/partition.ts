/**
 * `partition`: the way of one worker at a time to Redis gets slow, falls silent, or is cut around a commit and its reply.
 * Every commit whose outcome is unknown is settled, and nothing is doubled; the other workers go on.
 */
import { setTimeout as delay } from "node:timers/promises";
import { COMMIT } from "../src/store/redis/scripts.ts";
import { Arena } from "./arena.ts";
import { longestPause } from "./bystanders.ts";
import { type Cut, FaultProxy } from "./fault-proxy.ts";
import type { Load } from "./load.ts";
import { quantile, rounded } from "./quantile.ts";
import type { ChaosResult, ScenarioOptions } from "./scenario.ts";
import { comesTo } from "./until.ts";
import type { ChaosWorker } from "./worker.ts";

const WORKERS = 3;
const KINDS = ["latency", "half-open", "before-command", "after-command", "before-reply", "after-reply"] as const;
type Kind = (typeof KINDS)[number];
/** ms that a worker waits for an answer, and that its way is silent: it gives up, and its leases run out. */
const TIMEOUT = 1_000;
const SILENT = 2_000;
/** ms that every command and reply is late while the way is slow. */
const SLOW = { delay: 30, jitter: 120 };
/** ms to settle what was unknown, and to have a share again. */
const PATIENCE = 20_000;

interface Fault {
  readonly kind: Kind;
  readonly hit: boolean;
  readonly recoveredMs: number | undefined;
}

export async function partition(options: ScenarioOptions): Promise<ChaosResult> {
  const { store, minutes = 2, rate = 400, leaseMs = 1_000, cycles = Math.max(KINDS.length, Math.round(minutes * 24)) } = options;
  if (store !== "redis") throw new Error("partition: is about the way to Redis; give --store redis");
  const load: Load = { records: 0, rate, keys: 100, partitions: 6, shape: "even", bendsAt: 0 };
  const arena = await Arena.open({ chaos: "partition", store, load, workers: WORKERS, leaseMs, timeoutMs: TIMEOUT, batchRecords: 32 });
  const proxies: FaultProxy[] = [];
  try {
    for (let i = 0; i < WORKERS; i++) proxies.push(await FaultProxy.open(arena.server?.port ?? 0, isCommit));
    await arena.begin(proxies.map(({ url }) => url));
    arena.flow();
    const from = Date.now();
    const faults: Fault[] = [];
    for (let cycle = 0; cycle < cycles; cycle++) {
      const index = Math.floor(Math.random() * WORKERS);
      await comesTo(() => (arena.workers[index]?.working.size ?? 0) > 0, PATIENCE);
      faults.push(await strike(arena.workers[index] as ChaosWorker, proxies[index] as FaultProxy, KINDS[cycle % KINDS.length] as Kind));
    }
    const to = Date.now();
    const hit = faults.filter((fault) => fault.hit);
    const result = await arena.conclude({ faults: hit.length });
    const recovered = hit.flatMap(({ recoveredMs }) => (recoveredMs === undefined ? [] : [recoveredMs]));
    const all = arena.workers.flatMap(({ unknown }) => unknown);
    const byKind = Object.fromEntries(KINDS.map((kind) => [kind, hit.filter((fault) => fault.kind === kind).length]));
    const settled = arena.workers.flatMap(({ answered }) => answered).reduce((sum, each) => sum + each.settled, 0);
    const details = { byKind, unknownCalls: all.length, appliedBefore: settled, longestPauseMs: longestPause(arena.workers, from, to) };
    return { ...result, recoveryP99Ms: rounded(quantile(recovered, 0.99)), details };
  } finally {
    await arena.close();
    await Promise.all(proxies.map((proxy) => proxy.close()));
  }
}

const isCommit = (command: Buffer): boolean => command.includes(COMMIT.sha);

/** One fault on one worker's way; it hits where a commit of that worker was late or without an answer. */
async function strike(victim: ChaosWorker, proxy: FaultProxy, kind: Kind): Promise<Fault> {
  const [unknown, answered] = [victim.unknown.length, victim.answered.length];
  const held = victim.working.size;
  const { cuts } = proxy;
  const began = Date.now();
  if (kind === "latency") {
    Object.assign(proxy, SLOW);
    await delay(SILENT);
  } else if (kind === "half-open") {
    proxy.silence();
    await delay(SILENT);
  } else {
    proxy.cutAt(kind as Cut, 1 + Math.floor(Math.random() * 5));
    await comesTo(() => proxy.cuts > cuts, 5_000, 5);
  }
  const commits = victim.pulses.at(-1)?.commits ?? 0;
  proxy.heal();
  const healed = kind === "latency" ? began : Date.now();
  // A reply that came before the cut settles its commit; then only the next one notices.
  const lost = await comesTo(() => victim.unknown.length > unknown, kind === "latency" ? 0 : 2_000);
  const back = (): boolean => (lost ? victim.answered.length > answered : (victim.pulses.at(-1)?.commits ?? 0) > commits);
  await comesTo(back, PATIENCE, 5);
  const at = victim.answered.at(-1)?.answered ?? Date.now();
  return { kind, hit: held > 0 && (lost || kind === "latency"), recoveredMs: lost ? Math.max(0, at - healed) : undefined };
}
