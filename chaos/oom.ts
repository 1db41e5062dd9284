/**
 * `oom`: Redis has no memory left under its `maxmemory`. No commit is applied in part, injectors pause, what is under way
 * may still finish, and everything goes on once there is room.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Arena } from "./arena.ts";
import type { Load } from "./load.ts";
import { quantile, rounded } from "./quantile.ts";
import type { ChaosResult, ScenarioOptions } from "./scenario.ts";
import { comesTo } from "./until.ts";

/** Bytes that Redis may still take. */
const LEFT = 512 << 10;
/** ms that Redis is full, by default; and the last of them, in which injectors are looked at. */
const FULL = 10_000;
const LOOK = 1_000;

interface Wall {
  readonly hit: boolean;
  readonly overshootKiB: number;
  /** Records that injectors gave in the last second of it, beside those of a second before. */
  readonly injected: number;
  readonly violations: number;
  readonly goesOnMs: number;
}

export async function oom({ store, cycles = 3, rate = 1_000, leaseMs = 2_000, minutes }: ScenarioOptions): Promise<ChaosResult> {
  if (store !== "redis") throw new Error("oom: is about the memory of Redis; give --store redis");
  const load: Load = { records: 0, rate, keys: 100, partitions: 4, shape: "even", bendsAt: 0 };
  const arena = await Arena.open({ chaos: "oom", store, load, workers: 2, leaseMs, server: ["--appendonly", "no"] });
  try {
    await arena.begin();
    arena.flow();
    const walls: Wall[] = [];
    const full = minutes === undefined ? FULL : (minutes * 60_000) / cycles;
    for (let cycle = 0; cycle < cycles; cycle++) walls.push(await wall(arena, full));
    const result = await arena.conclude({ faults: walls.filter(({ hit }) => hit).length });
    const of = (name: "overshootKiB" | "injected"): number[] => walls.map((each) => each[name]);
    return {
      ...result,
      violations: result.violations + walls.reduce((sum, { violations }) => sum + violations, 0),
      recoveryP99Ms: rounded(
        quantile(
          walls.map(({ goesOnMs }) => goesOnMs),
          0.99,
        ),
      ),
      details: { fullMs: full, overshootKiB: of("overshootKiB"), injectedInLastSecond: of("injected"), rate },
    };
  } finally {
    await arena.close();
  }
}

/** Takes the room away, waits, looks, gives it back, and waits until injectors go on. */
async function wall(arena: Arena, full: number): Promise<Wall> {
  const redis = arena.redis!;
  await delay(1_000);
  const limit = (await usedBy(arena)) + LEFT;
  await redis.config("SET", "maxmemory", String(limit));
  const hit = await comesTo(async () => (await usedBy(arena)) > limit, 30_000, 20);
  await delay(Math.max(0, full - LOOK));
  const before = given(arena);
  await delay(LOOK);
  const after = given(arena);
  const { violations } = await arena.audit();
  const overshoot = (await usedBy(arena)) - limit;
  await redis.config("SET", "maxmemory", "0");
  const room = Date.now();
  await comesTo(() => given(arena) > after, 30_000, 5);
  return { hit, overshootKiB: Math.round(overshoot / 1_024), injected: after - before, violations, goesOnMs: Date.now() - room };
}

async function usedBy(arena: Arena): Promise<number> {
  return Number(/used_memory:(\d+)/.exec((await arena.redis?.info("memory")) ?? "")?.[1]);
}

/** Records that the injectors have given so far. */
const given = (arena: Arena): number => arena.alive.reduce((sum, { pulses }) => sum + (pulses.at(-1)?.injected ?? 0), 0);
