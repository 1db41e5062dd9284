/** What users may say of BullMQ's workers, in BullMQ's own words; what follows from other options is refused. */
import { ConfigError } from "../errors.ts";
import { checkOptions } from "../options.ts";

/** Options of BullMQ's `Worker`, passed on as they are. Times in ms. */
export interface BullMqWorkerOptions {
  /** Shown in dashboards beside the jobs that this worker has. */
  readonly name?: string | undefined;
  /** A job whose worker was not heard of for this long is given to another. BullMQ's default: 30,000. */
  readonly lockDuration?: number | undefined;
  /** How often a worker says that it is there. BullMQ's default: half of `lockDuration`. */
  readonly lockRenewTime?: number | undefined;
  /** How often is looked for jobs whose worker has gone. BullMQ's default: 30,000. */
  readonly stalledInterval?: number | undefined;
  /** How often that may happen to one job before it fails. Default: without end, since a crash is no fault of the job. */
  readonly maxStalledCount?: number | undefined;
  /** Seconds that a worker without jobs waits in one command. BullMQ's default: 5. */
  readonly drainDelay?: number | undefined;
  /** ms until BullMQ tries again what failed for want of Redis. BullMQ's default: 15,000. */
  readonly runRetryDelay?: number | undefined;
  readonly skipStalledCheck?: boolean | undefined;
  readonly skipVersionCheck?: boolean | undefined;
  /** BullMQ's metrics and telemetry. */
  readonly metrics?: object | undefined;
  readonly telemetry?: object | undefined;
}

const PASSED = ["name", "lockDuration", "lockRenewTime", "stalledInterval", "maxStalledCount", "drainDelay", "runRetryDelay"];
const KNOWN = [...PASSED, "skipStalledCheck", "skipVersionCheck", "metrics", "telemetry"];
const OURS = ["connection", "prefix", "concurrency", "limiter", "settings"];

export function checkWorkerOptions(where: string, options: unknown): void {
  const ours = Object.keys(Object(options) as object).find((name) => OURS.includes(name));
  if (ours !== undefined) throw new ConfigError(`${where}: worker.${ours} is not yours to say there; it follows from the other options`);
  checkOptions(`${where}: worker`, options, KNOWN);
}

/** For BullMQ, which takes an option that is there for one that was given. */
export function givenOptions(options: BullMqWorkerOptions | undefined): object {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined));
}
