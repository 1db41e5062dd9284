/**
 * A pipeline with age: windows at a constant rate for as long as is asked, and a line on standard error for each minute.
 * What the process and Redis hold must depend on the rate alone, not on the time; and when the input has ended and the
 * watermark has passed every window, nothing may be left.
 */
import { run } from "../src/index.ts";
import { watchStolen } from "./machine.ts";
import { redisActivity } from "./redis-activity.ts";
import { benchmark } from "./harness/benchmark.ts";
import { openStore } from "./stores.ts";
import { windowsPipeline } from "./windows-pipeline.ts";

interface SoakOptions {
  readonly shards: number;
  readonly keys: number;
  /** Records a second. */
  readonly rate: number;
  readonly minutes: number;
}

const MINUTE = 60_000;
const MIB = 1 << 20;
const mebibytes = (bytes: number): number => Number((bytes / MIB).toFixed(1));

interface Sample {
  readonly minute: number;
  readonly rssMiB: number;
  readonly redisMiB: number;
  readonly redisKeys: number;
  readonly state: number;
  readonly timers: number;
}

export const soak = benchmark({
  name: "soak",
  about: "windows at a constant rate, on Redis: does anything grow?",
  numbers: { minutes: 30, rate: 1_000, keys: 1_000, shards: 64 },
  run: withAge,
});

async function withAge({ shards, keys, rate, minutes }: SoakOptions): Promise<object> {
  const { store, server, dispose } = await openStore({ store: "redis" });
  if (server === undefined) throw new Error("a Redis is needed");
  let [records, windows] = [0, 0];
  const counted = (count: number) => {
    records += count;
    windows++;
  };
  const running = await run(windowsPipeline({ shards, keys, rate, lasts: minutes * MINUTE, ending: "end" }, counted), { store });
  const stolen = watchStolen();
  const samples: Sample[] = [];
  const look = async (): Promise<Sample> => {
    const { memoryBytes, keys: redisKeys, entries } = await redisActivity(server);
    return {
      minute: samples.length,
      rssMiB: mebibytes(process.memoryUsage.rss()),
      redisMiB: mebibytes(memoryBytes),
      redisKeys,
      state: entries.state,
      timers: entries.timers,
    };
  };
  const sampling = setInterval(() => {
    void look().then((sample) => {
      samples.push(sample);
      console.error(JSON.stringify(sample));
    });
  }, MINUTE);
  try {
    const cpu = process.cpuUsage();
    await running.finished;
    const { user, system } = process.cpuUsage(cpu);
    clearInterval(sampling);
    const { entries } = await redisActivity(server);
    const largest = (of: readonly Sample[], name: "rssMiB" | "redisMiB") => Math.max(...of.map((sample) => sample[name]));
    // The first minutes warm the process up.
    const counts = samples.slice(Math.min(5, samples.length >> 2));
    const [first, second] = [counts.slice(0, counts.length >> 1), counts.slice(counts.length >> 1)];
    return {
      minutes,
      rate,
      records,
      windows,
      cpuPercent: Number(((user + system) / (minutes * MINUTE * 10)).toFixed(1)),
      rssPeakFirstHalfMiB: largest(first, "rssMiB"),
      rssPeakSecondHalfMiB: largest(second, "rssMiB"),
      redisPeakFirstHalfMiB: largest(first, "redisMiB"),
      redisPeakSecondHalfMiB: largest(second, "redisMiB"),
      left: entries,
      stolenPercent: stolen(),
    };
  } finally {
    clearInterval(sampling);
    await running.stop();
    await dispose();
  }
}
