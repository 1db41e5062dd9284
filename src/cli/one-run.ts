/**
 * One run of a pipeline in this process, from its start to its end: what is shown meanwhile, and how it ends. Who else runs
 * it, and what becomes of the process afterwards, is not known here.
 */
import { readFileSync } from "node:fs";
import type { Pipeline } from "../computation/pipeline.ts";
import { messageOf } from "../errors.ts";
import { type HttpOptions, tokensIn } from "../http/access.ts";
import { durationText } from "../inspect/times.ts";
import { NOTHING_LEFT, runIn, type RunningPipeline, type RunOptions, STOPPED, workerOf } from "../run.ts";
import type { Place } from "../worker/place.ts";
import { display } from "./display.ts";
import { UsageError } from "./exit.ts";
import { guardProcess } from "./process-guard.ts";
import { summaryTable } from "./progress-text.ts";
import { progressOfAll, saying, tell } from "./said.ts";
import { storeOf } from "./store-option.ts";

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
  /** Of one client; false: any number. */
  readonly requestsPerSecond?: number | false;
  readonly drop?: readonly string[];
  readonly lease?: number;
  readonly stall?: number;
  readonly workers?: number;
  /** New code takes over as soon as it is there. */
  readonly watch?: boolean;
  /** What is said, as JSON. */
  readonly json?: boolean;
}

/** Tokens that the endpoint knows, in the environment. */
const TOKENS = "MILLRACE_TOKENS";

export type Signal = "SIGINT" | "SIGTERM";
const SIGNALS: Readonly<Record<Signal, number>> = { SIGINT: 2, SIGTERM: 15 };

/** `yielded`: its shards are for who takes its place. */
export type RunEnding = "finished" | "stopped" | "yielded";

export interface OneRun {
  readonly pipeline: Pipeline;
  readonly options: RunCommandOptions;
  /** Which of several it is. */
  readonly worker?: string | undefined;
  /** Whose place it takes. */
  readonly place?: Place | undefined;
  /** Ends it before its inputs do. */
  readonly ended: Promise<Signal | "yield">;
  /** Told once it runs. */
  readonly onRunning?: () => void;
}

/** Rejects where the pipeline cannot be started or fails. */
export async function runOnce({ pipeline, options, worker, place, ended, onRunning }: OneRun): Promise<RunEnding> {
  const startedAt = Date.now();
  const label = worker === undefined ? "" : `worker ${worker}: `;
  const json = options.json === true;
  let say = saying(json, label, worker);
  const { store, forgets, warning } = storeOf(options.store);
  if (warning !== undefined) say(`warning: ${warning}`);
  if (forgets) say("warning: --store memory: keeps nothing; what is done is forgotten when the process ends");
  let draining = false;
  const log = (level: string, text: string, fields: object) => {
    // Why the pipeline has stopped is told at the end, by what `finished` rejects with, unless no one waits for that any more.
    const toldAtTheEnd = text.startsWith(STOPPED) && !draining;
    if (level === "warn" || (level === "error" && !toldAtTheEnd)) say(logLine(level, text, fields));
  };
  const settings: RunOptions = {
    store,
    http: options.http && endpointOptions(options),
    drop: options.drop,
    leaseMs: options.lease,
    stallMs: options.stall === 0 ? false : options.stall,
    log,
  };
  const running = await runIn(pipeline, settings, place);
  const guard = guardProcess(workerOf(running), (line) => say(line));
  say(`running pipeline ${pipeline.name}${running.url === undefined ? "" : `; ${running.url}/v1/watermarks says how far it is`}`);
  onRunning?.();
  const shown = display(running, startedAt, { live: !json && worker === undefined && drawsLive(pipeline), label, json, worker });
  if (!json) say = (line) => shown.say(line);
  const conclude = (how: string) => {
    const progress = shown.end();
    guard.over();
    const { rejections } = workerOf(running);
    if (rejections.count > 0) say(`warning: ${rejections.count} promises were rejected and nothing waited for them; see above`);
    if (json) return tell({ ended: { how, ms: Date.now() - startedAt, ...progressOfAll(progress) } }, worker);
    for (const line of [`${how} after ${durationText(Date.now() - startedAt)}`, ...summaryTable(progress)]) say(line);
  };
  try {
    const how = await Promise.race([running.finished, ended]);
    draining = how !== undefined;
    if (how !== undefined && how !== "yield") say(`${how}: what was begun is being committed; a second signal ends the process at once`);
    await running.stop();
    if (how === "yield") {
      shown.end();
      guard.over();
      return "yielded";
    }
    conclude(how === undefined ? "finished" : "stopped");
    if (how === undefined && workerOf(running).engine.counted.commits === 0) say(NOTHING_LEFT);
    return how === undefined ? "finished" : "stopped";
  } catch (error) {
    await stopAfterFailure(running, say);
    conclude("failed");
    throw error;
  }
}

/** Tokens are in a file or the environment: arguments can be read by others on the machine. */
function endpointOptions({ port, host, address, tokens, name, requestsPerSecond }: RunCommandOptions): HttpOptions {
  const fromFile = tokens === undefined ? [] : tokensIn(`--tokens ${tokens}`, textOf(tokens));
  return { port, host, address, names: name, requestsPerSecond, tokens: [...tokensIn(TOKENS, process.env[TOKENS] ?? ""), ...fromFile] };
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
export class Signals {
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
