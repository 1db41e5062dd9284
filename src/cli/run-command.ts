/** `millrace run`: one pipeline in this process or in several, until its inputs end, it fails, or it is told to stop. */
import { parseAddress } from "../http/address.ts";
import { DONE, endingOf, UsageError } from "./exit.ts";
import { loadPipeline } from "./load-pipeline.ts";
import { runOnce, type RunCommandOptions, Signals } from "./one-run.ts";
import { saying, tell } from "./said.ts";
import { storeOf } from "./store-option.ts";
import { watchPipeline } from "./watch.ts";
import { isWatched, runWatched } from "./watched-run.ts";
import { placeGiven, runWorkers, WORKER_NUMBER } from "./workers.ts";

/** Gives the exit code. Rejects where the pipeline cannot be started or fails. */
export async function runCommand(file: string, options: RunCommandOptions): Promise<number> {
  if (options.json !== true) return await start(file, options);
  try {
    return await start(file, options);
  } catch (error) {
    const { text, code } = endingOf(error);
    tell({ error: { message: text, exitCode: code } }, process.env[WORKER_NUMBER]);
    return code;
  }
}

async function start(file: string, options: RunCommandOptions): Promise<number> {
  if (isWatched()) return await runWatched(file, options);
  if (options.watch) return await runChanging(file, options);
  return options.workers === undefined ? await runHere(file, options) : await runElsewhere(file, options, options.workers);
}

/** One process after the other, each with the newest code. */
async function runChanging(file: string, options: RunCommandOptions): Promise<number> {
  if (options.workers !== undefined) throw new UsageError("--watch runs the pipeline in one process at a time: leave --workers out");
  if (storeOf(options.store).forgets) throw new UsageError("--watch hands the state to new code: give a store that keeps it, not memory:");
  const port = options.http ? ["--port", String(options.port), ...(options.address === undefined ? [] : ["--address", options.address])] : ["--no-http"];
  return await watchPipeline({
    file,
    commandLine: ["run", file, ...port, ...restOf(options)],
    environment: { MILLRACE_STORE: options.store },
    say: saying(options.json === true, ""),
  });
}

/** One process for each worker. */
async function runElsewhere(file: string, options: RunCommandOptions, count: number): Promise<number> {
  if (!storeOf(options.store).shared)
    throw new UsageError("--workers needs a store that several processes can share: --store redis://HOST:PORT/DB. LMDB and memory belong to one process");
  const { http, port, address } = options;
  if (http && port + count > 65_536) throw new UsageError(`--port ${port}: each of ${count} workers has a port of its own, and the last would be above 65535`);
  return await runWorkers({
    count,
    argumentsOf: (index) => [
      "run",
      file,
      ...(http ? ["--port", String(nthPort(port, index)), ...addressOf(address, index)] : ["--no-http"]),
      ...restOf(options),
    ],
    // Not among the arguments: others can read those, and it may hold a password.
    environment: { MILLRACE_STORE: options.store },
    say: saying(options.json === true, ""),
  });
}

/** What each process is told alike. */
function restOf({ host, tokens, name = [], requestsPerSecond: rate, drop = [], lease, stall, json }: RunCommandOptions): string[] {
  return [
    ...(host === undefined ? [] : ["--host", host]),
    ...(tokens === undefined ? [] : ["--tokens", tokens]),
    ...name.flatMap((each) => ["--name", each]),
    ...(rate === undefined ? [] : ["--requests-per-second", rate === false ? "none" : String(rate)]),
    ...drop.flatMap((each) => ["--drop", each]),
    ...(lease === undefined ? [] : ["--lease", String(lease)]),
    ...(stall === undefined ? [] : ["--stall", String(stall)]),
    ...(json === true ? ["--json"] : []),
  ];
}

const nthPort = (port: number, index: number): number => (port === 0 ? 0 : port + index);

/** Each worker has one of its own, as it has a port. */
function addressOf(address: string | undefined, index: number): string[] {
  if (address === undefined) return [];
  const { host, port } = parseAddress("--address", address);
  return ["--address", `${host.includes(":") ? `[${host}]` : host}:${nthPort(port, index)}`];
}

async function runHere(file: string, options: RunCommandOptions): Promise<number> {
  const signals = new Signals();
  const pipeline = await loadPipeline(file);
  await runOnce({ pipeline, options, worker: process.env[WORKER_NUMBER], place: placeGiven(), ended: signals.first });
  return DONE;
}
