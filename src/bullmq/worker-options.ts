/** What users may say of BullMQ's workers, in BullMQ's own words; what we say ourselves is refused. */
import { ConfigError } from "../errors.ts";
import { show } from "../options.ts";

/** Options of BullMQ's `Worker`, passed on as they are. Times in ms. */
export interface BullMqWorkerOptions {
  /** Shown in dashboards beside the jobs that this worker has. */
  readonly name?: string | undefined;
  /** A job whose worker was not heard of for this long is given to another. BullMQ's default: 30,000. */
  readonly lockDuration?: number | undefined;
  /** How often is looked for such jobs. BullMQ's default: 30,000. */
  readonly stalledInterval?: number | undefined;
  /** How often that may happen to one job before it fails. Default: without end, since a crash is no fault of the job. */
  readonly maxStalledCount?: number | undefined;
  /** Seconds that a worker without jobs waits in one command. BullMQ's default: 5. */
  readonly drainDelay?: number | undefined;
  /** Telemetry of BullMQ's, and what else its `Worker` takes. */
  readonly [option: string]: unknown;
}

const OURS = ["connection", "prefix", "concurrency", "limiter", "settings", "autorun", "useWorkerThreads"];

export function checkWorkerOptions(where: string, options: unknown): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null) throw new ConfigError(`${where}: worker is options of BullMQ's Worker, but it is ${show(options)}`);
  const ours = Object.keys(options).find((name) => OURS.includes(name));
  if (ours !== undefined) throw new ConfigError(`${where}: worker.${ours} is not yours to say there; it follows from the other options`);
}

/** For BullMQ, which takes an option that is there for one that was given. */
export function givenOptions(options: BullMqWorkerOptions | undefined): object {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined));
}
