/**
 * A pipeline at rest: it has state, windows that are open and their timers, and nothing comes. What that costs of this
 * process, which does nothing else, and what it asks of Redis.
 */
import { run } from "../src/index.ts";
import { watchStolen } from "./machine.ts";
import { redisActivity, redisCommands } from "./redis-activity.ts";
import { redisCpuSeconds } from "./redis-cpu.ts";
import { benchmark } from "./harness/benchmark.ts";
import { openStore } from "./stores.ts";
import { windowsPipeline } from "./windows-pipeline.ts";

interface IdleOptions {
  readonly shards: number;
  readonly keys: number;
  readonly seconds: number;
}

/** ms in which the keys come. */
const FILLING = 2_000;
/** ms for everything to come to rest afterwards. */
const CALMING = 8_000;

export const idle = benchmark({
  name: "idle",
  about: "a pipeline at rest, on Redis",
  numbers: { seconds: 60, keys: 10_000, shards: 64 },
  run: atRest,
});

async function atRest({ shards, keys, seconds }: IdleOptions): Promise<object> {
  const { store, server, dispose } = await openStore({ store: "redis" });
  if (server === undefined) throw new Error("a Redis is needed");
  const pipeline = windowsPipeline({ shards, keys, rate: Math.ceil((keys * 1_000) / FILLING), lasts: FILLING, ending: "silence" }, () => {});
  const running = await run(pipeline, { store });
  try {
    await passed(FILLING + CALMING);
    const stolen = watchStolen();
    const [before, redisBefore] = [await redisCommands(server), await redisCpuSeconds(server)];
    const [startedAt, cpu, switches] = [performance.now(), process.cpuUsage(), process.resourceUsage().voluntaryContextSwitches];
    await passed(seconds * 1_000);
    const took = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    const { voluntaryContextSwitches } = process.resourceUsage();
    const [after, redisAfter] = [await redisCommands(server), await redisCpuSeconds(server)];
    const each = (amount: number) => Number((amount / took).toFixed(2));
    const commands = [...after.byName].map(([name, count]) => [name, count - (before.byName.get(name) ?? 0)] as const).filter(([, count]) => count > 0);
    return {
      shards,
      seconds,
      entries: (await redisActivity(server)).entries,
      cpuPercent: each((user + system) / 10_000),
      wakeUpsPerSecond: each(voluntaryContextSwitches - switches),
      redisCpuPercent: each((redisAfter - redisBefore) * 100),
      redisCallsPerSecond: each(after.calls - before.calls),
      redisCommandsPerSecond: each(commands.reduce((sum, [, count]) => sum + count, 0)),
      commandsPerSecond: Object.fromEntries(commands.map(([name, count]) => [name, each(count)])),
      stolenPercent: stolen(),
    };
  } finally {
    await running.stop();
    await dispose();
  }
}

const passed = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
