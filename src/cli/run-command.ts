/** `millrace run`: one pipeline in this process or in several, until its inputs end, it fails, or it is told to stop. */
import { readFileSync } from "node:fs";
import type { Pipeline } from "../computation/pipeline.ts";
import { messageOf } from "../errors.ts";
import { type HttpOptions, tokensIn } from "../http/access.ts";
import { parseAddress } from "../http/address.ts";
import { durationText } from "../inspect/times.ts";
import { NOTHING_LEFT, run, STOPPED, type RunningPipeline, workerOf } from "../run.ts";
import { display } from "./display.ts";
import { DONE, UsageError } from "./exit.ts";
import { loadPipeline } from "./load-pipeline.ts";
import { summaryTable } from "./progress-text.ts";
import { guardProcess } from "./process-guard.ts";
import { storeOf } from "./store-option.ts";
import { runWorkers, WORKER_NUMBER } from "./workers.ts";

export interface RunCommandOptions {
  readonly store: string;
  /** false: no endpoint. */
  readonly http: boolean;
  readonly port: number;
  readonly host?: string;
  /** A file. */
  readonly tokens?: string;
  readonly name?: readonly string[];
  readonly address?: string;
  readonly drop?: readonly string[];
  readonly lease?: number;
  readonly stall?: number;
  readonly workers?: number;
}

/** Tokens that the endpoint knows, in the environment. */
const TOKENS = "MILLRACE_TOKENS";

type Signal = "SIGINT" | "SIGTERM";
const SIGNALS: Readonly<Record<Signal, number>> = { SIGINT: 2, SIGTERM: 15 };

/** Gives the exit code. Rejects where the pipeline cannot be started or fails. */
export async function runCommand(file: string, options: RunCommandOptions): Promise<number> {
  return options.workers === undefined ? await runHere(file, options) : await runElsewhere(file, options, options.workers);
}

/** One process for each worker. */
async function runElsewhere(file: string, options: RunCommandOptions, count: number): Promise<number> {
  if (!storeOf(options.store).shared)
    throw new UsageError("--workers needs a store that several processes can share: --store redis://HOST:PORT/DB. LMDB and memory belong to one process");
  const { http, port, host, tokens, name = [], address, drop = [], lease, stall } = options;
  if (http && port + count > 65_536) throw new UsageError(`--port ${port}: each of ${count} workers has a port of its own, and the last would be above 65535`);
  const rest = [
    ...(host === undefined ? [] : ["--host", host]),
    ...(tokens === undefined ? [] : ["--tokens", tokens]),
    ...name.flatMap((each) => ["--name", each]),
    ...drop.flatMap((each) => ["--drop", each]),
    ...(lease === undefined ? [] : ["--lease", String(lease)]),
    ...(stall === undefined ? [] : ["--stall", String(stall)]),
  ];
  return await runWorkers({
    count,
    argumentsOf: (index) => ["run", file, ...(http ? ["--port", String(nthPort(port, index)), ...addressOf(address, index)] : ["--no-http"]), ...rest],
    // Not among the arguments: others can read those, and it may hold a password.
    environment: { MILLRACE_STORE: options.store },
    say: (line) => void process.stderr.write(`${line}\n`),
  });
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
  const startedAt = Date.now();
  // One of several says which it is.
  const number = process.env[WORKER_NUMBER];
  const label = number === undefined ? "" : `worker ${number}: `;
  let say = (line: string): void => void process.stderr.write(`${label}${line}\n`);
  const pipeline = await loadPipeline(file);
  const { store, forgets } = storeOf(options.store);
  if (forgets) say("warning: --store memory: keeps nothing; what is done is forgotten when the process ends");
  let draining = false;
  const log = (level: string, text: string, fields: object) => {
    // Why the pipeline has stopped is told at the end, by what `finished` rejects with, unless no one waits for that any more.
    const toldAtTheEnd = text.startsWith(STOPPED) && !draining;
    if (level === "warn" || (level === "error" && !toldAtTheEnd)) say(logLine(level, text, fields));
  };
  const running = await run(pipeline, {
    store,
    http: options.http && endpointOptions(options),
    drop: options.drop,
    leaseMs: options.lease,
    stallMs: options.stall === 0 ? false : options.stall,
    log,
  });
  const guard = guardProcess(workerOf(running), (line) => say(line));
  say(`running pipeline ${pipeline.name}${running.url === undefined ? "" : `; ${running.url}/v1/watermarks says how far it is`}`);
  const shown = display(running, startedAt, { live: label === "" && drawsLive(pipeline), label });
  say = (line) => shown.say(line);
  const conclude = (how: string) => {
    const progress = shown.end();
    guard.over();
    const { rejections } = workerOf(running);
    if (rejections.count > 0) say(`warning: ${rejections.count} promises were rejected and nothing waited for them; see above`);
    for (const line of [`${how} after ${durationText(Date.now() - startedAt)}`, ...summaryTable(progress)]) say(line);
  };
  try {
    const signal = await Promise.race([running.finished, signals.first]);
    draining = signal !== undefined;
    if (signal !== undefined) say(`${signal}: what was begun is being committed; a second signal ends the process at once`);
    await running.stop();
    conclude(signal === undefined ? "finished" : "stopped");
    if (signal === undefined && workerOf(running).engine.counted.commits === 0) say(NOTHING_LEFT);
    return DONE;
  } catch (error) {
    await stopAfterFailure(running, say);
    conclude("failed");
    throw error;
  }
}

/** Tokens are in a file or the environment: arguments can be read by others on the machine. */
function endpointOptions({ port, host, address, tokens, name }: RunCommandOptions): HttpOptions {
  const fromFile = tokens === undefined ? [] : tokensIn(`--tokens ${tokens}`, textOf(tokens));
  return { port, host, address, names: name, tokens: [...tokensIn(TOKENS, process.env[TOKENS] ?? ""), ...fromFile] };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`--tokens ${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** The failure is what is told; that stopping failed as well is only noted. */
async function stopAfterFailure(running: RunningPipeline, say: (line: string) => void): Promise<void> {
  try {
    await running.stop();
  } catch (error) {
    say(`stopping failed as well: ${messageOf(error)}`);
  }
}

/** A table is drawn only where nothing else writes to the terminal. */
function drawsLive(pipeline: Pipeline): boolean {
  const writes = pipeline.graph().participants.some((participant) => participant.kind === "sink" && participant.target.description === "console");
  return process.stderr.isTTY && process.env["TERM"] !== "dumb" && !(writes && process.stdout.isTTY);
}

function logLine(level: string, text: string, fields: object): string {
  const { pipeline: _, ...rest } = fields as { readonly pipeline?: unknown };
  return `${level}: ${text}${Object.keys(rest).length === 0 ? "" : ` ${JSON.stringify(rest)}`}`;
}

/** The first signal is for us; a second one ends the process where it stands, which costs nothing but the time to do it again. */
class Signals {
  readonly first: Promise<Signal>;

  constructor() {
    this.first = new Promise((resolve) => {
      let seen = false;
      for (const signal of Object.keys(SIGNALS) as Signal[]) {
        process.on(signal, () => {
          if (seen) process.exit(128 + SIGNALS[signal]);
          seen = true;
          resolve(signal);
        });
      }
      // Whoever has started it as one of several is gone.
      process.once("disconnect", () => resolve("SIGTERM"));
    });
  }
}
