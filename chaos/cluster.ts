/**
 * `cluster`: three primaries with a replica each, and two workers. Under load slots are moved from node to node, workers
 * are killed with a batch that is not committed, and primaries are
 * killed and replaced by their replicas, every other one by a replica that lacks the last writes: one node goes back alone.
 * Commits wait for the replica (strict mode), so that it lacks nothing that any other node or the outside knows of.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { RedisDurability } from "../src/index.ts";
import { indexOf } from "../src/key.ts";
import { domainTags, slotOfDomain, slotOfTag } from "../src/store/redis/slots.ts";
import { type ClusterNode, type RedisCluster, startCluster } from "../test/support/redis-cluster.ts";
import { Arena } from "./arena.ts";
import { pathOf } from "./bystanders.ts";
import type { Load } from "./load.ts";
import { strikeOne } from "./kill.ts";
import { quantile, rounded } from "./quantile.ts";
import type { ChaosResult, ScenarioOptions } from "./scenario.ts";
import { storedGraph } from "./stored-graph.ts";
import { until } from "./until.ts";

const CYCLES = 20;
const WORKERS = 2;
/** Slots that are moved in a cycle, of the sixteen that have shards. */
const MOVED = 2;
const DOMAINS = 16;
/** ms in full swing before each fault. */
const SWING = 300;
/** ms for which a primary takes writes that its replica lacks. */
const CUT = 200;

export async function cluster(options: ScenarioOptions): Promise<ChaosResult> {
  const { store, rate = 300, cycles = CYCLES, minutes, leaseMs = 1_000 } = options;
  if (store !== "redis") throw new Error("cluster: is about Redis; give --store redis");
  const durability: RedisDurability = options.durability === "primary" ? "primary" : { replicas: 1, timeoutMs: 200 };
  const servers = await startCluster();
  const load: Load = { records: 0, rate, keys: 100, partitions: 6, shape: "even", bendsAt: 0 };
  const arena = await Arena.open({
    chaos: "cluster",
    store,
    load,
    workers: WORKERS,
    leaseMs,
    timeoutMs: 2_000,
    cluster: { urls: servers.urls, durability },
  }).catch(async (error: unknown) => {
    await servers.stop();
    throw error;
  });
  try {
    await arena.begin();
    arena.flow();
    const crossing = await Crossing.of(servers);
    const from = Date.now();
    const end = minutes === undefined ? Number.POSITIVE_INFINITY : from + minutes * 60_000;
    const seen: Seen = { moved: 0, workers: 0, killed: 0, cut: 0, promoted: [], elected: [], rejoined: [], recovered: [], afterwards: [] };
    for (let cycle = 0; (minutes === undefined ? cycle < cycles : true) && Date.now() < end; cycle++) await one(arena, servers, cycle, seen);
    const result = await arena.conclude({ faults: seen.moved + seen.workers + seen.cut, recoveryP99Ms: rounded(quantile(seen.recovered, 0.99)) });
    const { tails, commits, delivered, lostEntries } = lossesOf(arena);
    const crossingShare = crossing.share({ ...load, records: result.records });
    const { moved, workers, killed, cut } = seen;
    const most = Object.fromEntries(
      (["promoted", "elected", "rejoined", "afterwards"] as const).map((name) => [`${name}P99Ms`, rounded(quantile(seen[name], 0.99))]),
    );
    const details = { moved, workers, killed, cut, ...most, crossingShare, delivered, lostTails: tails, lostCommits: commits, lostEntries };
    return { ...result, details };
  } finally {
    await arena.close();
    await servers.stop();
  }
}

interface Seen {
  moved: number;
  /** Workers killed with a batch that was not committed. */
  workers: number;
  killed: number;
  /** Killed while it had a commit, or a delivery of one, that was not answered. */
  cut: number;
  /** ms from a kill until the replica serves, made to at once or elected; until the dead node follows it, before which strict mode takes no commit; until work goes on. */
  readonly promoted: number[];
  readonly elected: number[];
  readonly rejoined: number[];
  readonly recovered: number[];
  /** From the last but one to the last: ours alone. */
  readonly afterwards: number[];
}

async function one(arena: Arena, servers: RedisCluster, cycle: number, seen: Seen): Promise<void> {
  await progress(arena, SWING);
  for (let n = 0; n < MOVED; n++) {
    const slot = slotOfDomain((cycle * 5 + n * 3) % DOMAINS, DOMAINS);
    await servers.moveSlot(slot, await servers.otherThan(slot), 1);
    seen.moved++;
  }
  if ((await strikeOne(arena)).strike !== undefined) seen.workers++;
  await arena.add();
  await arena.shared();
  await progress(arena, SWING);
  // By turns the one that has the pipeline's own keys, and others.
  const victim = await servers.primaryOf(cycle % 2 === 0 ? slotOfTag("millrace:chaos") : slotOfDomain((cycle * 7) % DOMAINS, DOMAINS));
  const before = unknown(arena);
  const killed = Date.now();
  const since = (): number => Date.now() - killed;
  await kill(servers, victim, cycle);
  seen.killed++;
  seen[cycle % 2 === 1 ? "elected" : "promoted"].push(since());
  await servers.rejoin(victim);
  const rejoined = since();
  seen.rejoined.push(rejoined);
  await arena.shared();
  await progress(arena, 1);
  seen.recovered.push(since());
  seen.afterwards.push(since() - rejoined);
  if (unknown(arena) > before) seen.cut++;
}

/** One is replaced at once by a replica that lacks its last writes, the next by the nodes' own election. */
async function kill(servers: RedisCluster, victim: ClusterNode, cycle: number): Promise<void> {
  if (cycle % 2 === 1) return await servers.failOver(victim);
  await servers.cut(victim);
  await delay(CUT);
  await servers.takeOver(victim);
}

const unknown = (arena: Arena): number => arena.workers.reduce((sum, worker) => sum + worker.unknown.length, 0);

/** What the workers have told so far. */
function lossesOf(arena: Arena): { readonly tails: number; readonly commits: number; readonly delivered: number; readonly lostEntries: number } {
  const sums = { tails: 0, commits: 0, delivered: 0, lostEntries: 0 };
  for (const { pulses } of arena.workers) {
    const last = pulses.at(-1);
    sums.tails += last?.lostTails ?? 0;
    sums.commits += last?.lostCommits ?? 0;
    sums.delivered += last?.delivered ?? 0;
    sums.lostEntries += last?.lostEntries ?? 0;
  }
  return sums;
}

/** Waits so many ms, and until commits were made meanwhile. */
async function progress(arena: Arena, ms: number): Promise<void> {
  const made = (): number => arena.workers.reduce((sum, { pulses }) => sum + (pulses.at(-1)?.commits ?? 0), 0);
  const before = made();
  await delay(ms);
  await until("commits are made", () => made() > before + 10, { among: () => arena.workers.flatMap(({ log }) => log.slice(-5)) });
}

/** Which part of the productions goes to a shard on another node, as the slots lay when it was asked. */
class Crossing {
  readonly #path: (load: Load) => (n: number) => readonly number[];
  readonly #nodeOf: (shard: number) => string;

  private constructor(path: (load: Load) => (n: number) => readonly number[], nodeOf: (shard: number) => string) {
    this.#path = path;
    this.#nodeOf = nodeOf;
  }

  static async of(servers: RedisCluster): Promise<Crossing> {
    const graph = await storedGraph({ cluster: servers.urls });
    const nodes = await Promise.all(domainTags("millrace:chaos/", DOMAINS).map(async (tag) => (await servers.primaryOf(slotOfTag(tag))).id));
    return new Crossing(
      (load) => pathOf(load, graph),
      (shard) => nodes[indexOf(shard) % DOMAINS] as string,
    );
  }

  /** Of the productions from stage to stage of these records, those of timers left out. */
  share(load: Load): number {
    const path = this.#path(load);
    let [all, crossing] = [0, 0];
    for (let n = 0; n < load.records; n++) {
      const nodes = path(n).map(this.#nodeOf);
      for (let i = 1; i < nodes.length; i++) {
        all++;
        if (nodes[i] !== nodes[i - 1]) crossing++;
      }
    }
    return Number((crossing / Math.max(1, all)).toFixed(3));
  }
}
