/**
 * Ingestion: many lines of NDJSON of about 100 bytes as one request, counted by key. What it costs, and how much memory
 * the server takes for it, which must not depend on the number of lines.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Computation, type Context, fromHttp, input, Pipeline, run, state, stream, type StreamRecord } from "../src/index.ts";
import { benchmark } from "./harness/benchmark.ts";
import { openStore, type StoreName } from "./stores.ts";

interface HttpBenchOptions {
  readonly store: StoreName;
  readonly records: number;
  readonly keys: number;
  readonly shards: number;
}

export const http = benchmark({
  name: "http",
  about: "many lines of NDJSON as one request, counted by key",
  numbers: { records: 1_000_000, keys: 100_000, shards: 64 },
  run: (given) => httpBench(given),
});

interface Line {
  readonly key: string;
  readonly n: number;
}

const lines = stream<Line>("lines");

class Count extends Computation {
  readonly lines = input(lines, { key: ({ key }) => key });
  readonly count = state("count", { initial: 0 });
  override processRecord(_: StreamRecord<Line>, context: Context): void {
    const count = context.state(this.count);
    count.set(count.get() + 1);
  }
}

const CLIENT = fileURLToPath(new URL("./http-client.js", import.meta.url));
const MIB = 1 << 20;

async function httpBench({ store: name, records, keys, shards }: HttpBenchOptions): Promise<object> {
  const { store, dispose } = await openStore({ store: name });
  const running = await run(new Pipeline("ingested", { shards }).inject("lines", lines, fromHttp()).compute("count", Count), { store, http: { port: 0 } });
  try {
    while (((await (await fetch(`${running.url}/v1/streams`)).json()) as { streams: { open: boolean }[] }).streams[0]?.open !== true) await turn();
    const rssBefore = process.memoryUsage().rss;
    const samples: number[] = [];
    const watching = setInterval(() => samples.push(process.memoryUsage().rss), 50);
    const [startedAt, cpuBefore] = [performance.now(), process.cpuUsage()];
    const client = spawn(process.execPath, [CLIENT, `${running.url}/v1/streams/lines/records`, String(records), String(keys)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let answer = "";
    client.stdout.setEncoding("utf8").on("data", (text: string) => (answer += text));
    await once(client, "close");
    const seconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    clearInterval(watching);
    const half = samples.length >> 1;
    return {
      store: name,
      answer,
      seconds: Number(seconds.toFixed(1)),
      recordsPerSecond: Math.round(records / seconds),
      cpuMicrosecondsPerRecord: Number(((user + system) / records).toFixed(1)),
      rssBeforeMiB: Math.round(rssBefore / MIB),
      rssPeakFirstHalfMiB: Math.round(Math.max(rssBefore, ...samples.slice(0, half)) / MIB),
      rssPeakSecondHalfMiB: Math.round(Math.max(rssBefore, ...samples.slice(half)) / MIB),
    };
  } finally {
    await running.stop();
    await dispose();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));
