/**
 * One worker's process as the harness sees it: what it was ordered and what it has told. It decides nothing.
 *
 * W1  No worker outlives the harness: its standard input ends with it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ShardRef } from "../src/key.ts";
import type { Place } from "../src/worker/place.ts";
import { lineReader, type Order, type Pulse, type Settings, type Telling } from "./orders.ts";
import { until } from "./until.ts";

/** On the files that the package has (`scripts/bundle.mjs`), wherever this runs: how long a start takes is measured too. */
const PROGRAM = fileURLToPath(new URL(`../${import.meta.url.endsWith(".js") ? "" : ".build/"}bundle/chaos/worker-process.js`, import.meta.url));

/** ms to load a program, where the machine has other work. */
const LOADING = 60_000;

/** A time in which a worker worked on a shard. */
export interface Tenure {
  readonly ref: ShardRef;
  readonly worker: ChaosWorker;
  readonly from: number;
  to: number | undefined;
}
export interface Struck {
  readonly at: number;
  readonly commits: number;
  /** The shards that were its own, also those it did not work on yet. */
  readonly refs: readonly ShardRef[];
}
type Of<Name extends string> = Extract<Telling, Readonly<Record<Name, unknown>>>;

export class ChaosWorker {
  readonly child: ChildProcess;
  readonly tenures: Tenure[];
  readonly working = new Map<ShardRef, Tenure>();
  readonly pulses: Pulse[] = [];
  readonly struck: Struck[] = [];
  readonly woken: Of<"woken">[] = [];
  readonly unknown: Of<"unknown">[] = [];
  readonly answered: Of<"answered">[] = [];
  readonly log: string[] = [];
  loaded = false;
  /** Where it was started. */
  place: Place | undefined = undefined;
  name: string | undefined = undefined;
  ended: string | undefined = undefined;
  readonly exited: Promise<unknown>;
  #gone = false;

  /** `tenures`: a list of all workers, which this one adds to. */
  constructor(tenures: Tenure[]) {
    this.tenures = tenures;
    this.child = spawn(process.execPath, [PROGRAM], { stdio: ["pipe", "pipe", "pipe"] });
    this.exited = once(this.child, "close").then(() => (this.#gone = true));
    const take = lineReader<Telling>((telling) => this.#take(telling));
    this.child.stdout?.setEncoding("utf8").on("data", take);
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      if (!/ExperimentalWarning|--trace-warnings/.test(text)) this.log.push(text.trim());
    });
    // Orders to one that was killed.
    this.child.stdin?.on("error", () => {});
    this.child.once("exit", () => this.#endAll(Date.now()));
  }

  #take(telling: Telling): void {
    if ("loaded" in telling) this.loaded = true;
    else if ("started" in telling) this.name = telling.started;
    else if ("begins" in telling) {
      const tenure: Tenure = { ref: telling.begins, worker: this, from: telling.at, to: undefined };
      this.working.set(telling.begins, tenure);
      this.tenures.push(tenure);
    } else if ("ends" in telling) this.#end(telling.ends, telling.at);
    else if ("pulse" in telling) this.pulses.push(telling);
    else if ("struck" in telling) {
      this.struck.push({ at: telling.at, commits: telling.commits, refs: telling.held });
      this.#endAll(telling.at);
    } else if ("woken" in telling) this.woken.push(telling);
    else if ("unknown" in telling) this.unknown.push(telling);
    else if ("answered" in telling) this.answered.push(telling);
    else if ("ended" in telling) this.ended = telling.ended;
    else this.log.push(`${telling.level}: ${telling.text}`);
  }

  #end(ref: ShardRef, at: number): void {
    const tenure = this.working.get(ref);
    if (tenure !== undefined) tenure.to = at;
    this.working.delete(ref);
  }
  #endAll(at: number): void {
    for (const ref of [...this.working.keys()]) this.#end(ref, at);
  }

  /** It has ended, and all that it has told is here. */
  get gone(): boolean {
    return this.#gone;
  }
  get running(): boolean {
    return this.name !== undefined && !this.gone && this.ended === undefined;
  }

  order(order: Order): void {
    if (!this.gone) this.child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  async start(settings: Settings): Promise<void> {
    this.place = settings.place;
    await until("a worker is loaded", () => this.loaded || this.gone, { among: () => this.log, within: LOADING });
    this.order({ start: settings });
  }

  signal(signal: "SIGKILL" | "SIGCONT" | "SIGSTOP"): void {
    if (!this.gone) this.child.kill(signal);
  }
}
