/**
 * The process that runs the pipeline. It keeps nothing that may not be lost: its supervisor kills it (`--kill`) and
 * starts another, which goes on from what is stored. It ends when its supervisor says so, or is gone.
 */
import { run } from "../../src/index.ts";
import { anomaliesPath, type Orders, type Report, windowsPath } from "./conversation.ts";
import { openFlights } from "./flight-table.ts";
import { openStore } from "./open-store.ts";
import { zeitgeist } from "./pipeline.ts";
import { readingThread } from "./reading-thread.ts";
import { flightsOf } from "./reported-flights.ts";
import { struckStore } from "./struck-store.ts";

/** A key is an airport's day, and hardly ever asked for again once that is over: what is kept of past days is only in the way. */
const CACHE_BYTES = 32 << 20;
/** Most records of a shard in one commit: few, large commits suit a run that only wants to be through. */
const BATCH = 1_024;
/** How long the shards of a killed worker stay its own, on a store that others may use. */
const LEASE_MS = 1_000;
const MEMORY_MS = 500;

// Ctrl-C reaches every process of the terminal; this one is told by its supervisor.
process.on("SIGINT", () => {});
process.on("disconnect", () => process.exit());
work(JSON.parse(process.argv[2] as string) as Orders).catch((error: unknown) => {
  report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
  process.disconnect?.();
});

async function work({ name, store, directory, limit, port, strike }: Orders): Promise<void> {
  const table = await openFlights(undefined, limit, readingThread());
  let handed = 0;
  const after = strike === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor((table.rows - strike.handed) / strike.parts));
  const struck = struckStore(openStore(store, directory), {
    due: () => (handed >= after ? strike?.point : undefined),
    reached: (point, waiting) => report({ kind: "reached", point, waiting, handed }),
    recovered: (waiting) => report({ kind: "recovered", waiting }),
  });
  const pipeline = zeitgeist({
    name,
    flights: flightsOf(table, {}, (count) => (handed += count)),
    until: table.until,
    windows: windowsPath(directory),
    anomalies: anomaliesPath(directory),
  });
  const running = await run(pipeline, { store: struck, http: { port }, batchRecords: BATCH, leaseMs: LEASE_MS, cacheBytes: CACHE_BYTES });
  report({ kind: "running", url: running.url as string, flights: table.rows });
  const ticking = setInterval(() => report({ kind: "memory", peakRssMiB: peakRssMiB() }), MEMORY_MS);
  process.once("message", () => {
    clearInterval(ticking);
    void running.stop().then(() => process.exit());
  });
  await running.finished;
  report({ kind: "finished", handed, peakRssMiB: peakRssMiB() });
}

const peakRssMiB = (): number => Math.ceil(process.resourceUsage().maxRSS / 1_024);

function report(message: Report): void {
  if (process.connected) process.send?.(message);
}
