/**
 * `npm run demo`: Zeitgeist over every US flight of the first half of 2001. The command line, and what is said at the
 * beginning and at the end; `supervisor.ts` runs it, `pipeline.ts` is the pipeline.
 */
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { audit, type AuditReport } from "../../src/inspect/index.ts";
import { anomaliesPath, windowsPath } from "./conversation.ts";
import { openStore } from "./open-store.ts";
import { episodesOf, readAnomalies, readWindows, type WindowTotals } from "./results.ts";
import { RunDirectory, type Summary } from "./run-directory.ts";
import { type Outcome, Supervisor } from "./supervisor.ts";
import { grouped, tableOf, Terminal } from "./terminal.ts";

const HELP = `Zeitgeist over every US flight: which airports do far more or far less than they usually do at this time of the week?

  npm run demo -- [options]

  --kill N         kill the worker N times with SIGKILL on the way, and start another
  --limit N        only the first N of 3,000,000 flights
  --store STORE    lmdb (the default), a Redis server as redis://host:port, or memory
  --data-dir DIR   where results and the embedded store are kept; started again on it, a run goes on (default: data/zeitgeist)
  --port N         of the HTTP endpoint (default: any free one)
  --json           print one JSON object at the end and nothing else
`;

const EPISODES = 12;

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kill: { type: "string", default: "0" },
      limit: { type: "string" },
      store: { type: "string", default: "lmdb" },
      "data-dir": { type: "string", default: join("data", "zeitgeist") },
      port: { type: "string", default: "0" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const { store } = values;
  const kills = count("--kill", values.kill);
  const limit = values.limit === undefined ? undefined : count("--limit", values.limit);
  if (!/^(lmdb|memory|rediss?:\/\/.+)$/.test(store)) throw new Error(`--store ${store}: give lmdb, memory, or the URL of a Redis server`);
  if (store === "memory" && kills > 0) throw new Error("--kill with --store memory: what a killed worker keeps in memory is gone");
  if (limit === 0) throw new Error("--limit 0: give at least 1");
  const directory = new RunDirectory(values["data-dir"], store, limit);
  const terminal = new Terminal(process.stdout, values.json);
  const supervisor = new Supervisor({ name: directory.pipeline, store, directory: directory.path, limit, kills, port: count("--port", values.port) }, terminal);
  process.once("SIGINT", () => supervisor.stop()).once("SIGTERM", () => supervisor.stop());
  greet(terminal, directory.path, store, limit);
  const outcome = await supervisor.run();
  if (outcome === undefined) {
    terminal.line("  Stopped. What was done is stored: start it again and it goes on.");
    process.exitCode = 130;
  } else await conclude(terminal, directory, outcome, await audited(directory, store), values.json);
}

function count(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${option} ${text}: give a whole number`);
  return Number(text);
}

function greet(terminal: Terminal, directory: string, store: string, limit: number | undefined): void {
  terminal.line("Zeitgeist over every US flight of January to June 2001, in the order in which they were reported\n");
  terminal.line(`  flights  ${limit === undefined ? "all" : `the first ${grouped(limit)}`}`);
  terminal.line(`  store    ${store === "lmdb" ? `LMDB, in ${directory}` : store}`);
}

/** Is what the workers have left in the store sound? Read from this process, which has never written to it. */
async function audited(directory: RunDirectory, store: string): Promise<AuditReport | undefined> {
  return store === "memory" ? undefined : audit(openStore(store, directory.path), { pipeline: directory.pipeline });
}

async function conclude(terminal: Terminal, directory: RunDirectory, outcome: Outcome, found: AuditReport | undefined, json: boolean): Promise<void> {
  const { totals } = await readWindows(windowsPath(directory.path));
  const anomalies = await readAnomalies(anomaliesPath(directory.path));
  // A run that had finished before was not done now, and took the time that it took then.
  const before = outcome.handed === 0 ? directory.summary : undefined;
  const done = before ?? summaryOf(outcome, totals, anomalies.length);
  const summary = found === undefined ? done : { ...done, violations: found.violations };
  if (summary.violations !== undefined && summary.violations > 0) process.exitCode = 1;
  if (before !== undefined && before.digest !== totals.digest)
    throw new Error(`${windowsPath(directory.path)} is not what the finished run left: its digest is ${totals.digest}, not ${before.digest}`);
  if (before === undefined) directory.finish(summary);
  if (json) {
    console.log(JSON.stringify(before === undefined ? summary : { ...summary, recomputed: 0 }));
    return;
  }
  if (before !== undefined) terminal.line("  This run had finished before: nothing was recomputed.");
  const episodes = episodesOf(anomalies);
  for (const kind of ["dip", "spike"] as const) {
    terminal.line(`\nThe strongest ${kind}s\n`);
    terminal.line(tableOf(episodes.filter((episode) => episode.kind === kind).slice(0, EPISODES)));
  }
  terminal.line();
  for (const line of report(summary, totals, directory.path)) terminal.line(`  ${line}`);
  if (found !== undefined) terminal.line(`  audit      ${auditText(found)}`);
}

function auditText({ violations, invariants, entries }: AuditReport): string {
  const broken = invariants.filter((each) => each.violations > 0).map(({ invariant }) => invariant);
  const looked = `${grouped(entries.state)} values of state and ${grouped(entries.watermark + entries.wall)} timers`;
  return `${grouped(violations)} violations of ${invariants.length} invariants in ${looked}${violations === 0 ? "" : `: ${broken.join(", ")}; millrace audit tells more`}`;
}

function summaryOf({ progress, kills, killsWithBacklog, handed, seconds, peakRssMiB }: Outcome, { windows, digest }: WindowTotals, anomalies: number): Summary {
  const { flights: records, late, duplicates, deadLetters } = progress;
  const killed = kills.before + kills.during + kills.after > 0 ? { kills: { ...kills, withBacklog: killsWithBacklog } } : {};
  // Of a run that goes on where another was stopped, the rate is that of this part.
  const recordsPerSecond = Math.round(Math.min(records, handed) / seconds);
  return {
    records,
    late,
    duplicates,
    deadLetters,
    windows,
    anomalies,
    seconds: Math.round(100 * seconds) / 100,
    recordsPerSecond,
    peakRssMiB,
    digest,
    ...killed,
  };
}

function report(summary: Summary, totals: WindowTotals, directory: string): string[] {
  const { records, late, duplicates, deadLetters, anomalies, seconds, recordsPerSecond, peakRssMiB, digest, kills } = summary;
  const path = (file: string): string => relative("", file);
  return [
    `flights    ${grouped(records)}, ${grouped(late)} of them behind the watermark; ${grouped(duplicates)} duplicates, ${grouped(deadLetters)} dead letters`,
    `windows    ${grouped(totals.windows)} of ${grouped(totals.airports)} airports, ${grouped(totals.flights)} flights in them; ${grouped(totals.corrections)} corrections`,
    `anomalies  ${grouped(anomalies)} windows`,
    `rate       ${grouped(recordsPerSecond)} flights a second for ${seconds.toFixed(1)} s, at most ${peakRssMiB} MiB`,
    ...(kills === undefined
      ? []
      : [
          `kills      ${kills.before} before, ${kills.during} during and ${kills.after} after a commit; ${kills.withBacklog} of them left records in the inboxes`,
        ]),
    `digest     ${digest}`,
    `results    ${path(anomaliesPath(directory))}, ${path(windowsPath(directory))}`,
  ];
}
