/** When things are due that repeat: a period aligned to the epoch, or a cron pattern in a time zone. Pure. */
import { Cron } from "croner";
import { checkInteger, show } from "../computation/checks.ts";
import { ConfigError, messageOf } from "../errors.ts";
import { checkOptions } from "../options.ts";

/**
 * `every`: ms between ticks, which are its multiples since the epoch (so `minutes(15)` ticks on the quarter hour, UTC).
 * `cron`: five fields (minute, hour, day, month, weekday), or six with seconds first; `timezone`: IANA name, default UTC.
 */
export type Schedule = { readonly every: number } | { readonly cron: string; readonly timezone?: string | undefined };

export interface Ticks {
  readonly description: string;
  /** The first tick after `time`, ms since the epoch; undefined: there is none any more. */
  after(time: number): number | undefined;
}

/** Throws `ConfigError`. */
export function ticksOf(where: string, schedule: Schedule): Ticks {
  if (typeof schedule !== "object" || schedule === null)
    throw new ConfigError(`${where}: give a schedule as in { every: minutes(15) } or { cron: "0 3 * * *" }, not ${show(schedule)}`);
  checkOptions(where, schedule, ["every", "cron", "timezone"]);
  const { every, cron, timezone } = schedule as { readonly every?: number; readonly cron?: string; readonly timezone?: string };
  if ((every === undefined) === (cron === undefined))
    throw new ConfigError(`${where}: give either every or cron, not ${every === undefined ? "neither" : "both"}`);
  if (every !== undefined) {
    if (timezone !== undefined) throw new ConfigError(`${where}: a time zone goes with cron; every counts from the epoch`);
    checkInteger(where, "every, ms,", every, 1);
    return { description: `every ${every} ms`, after: (time) => (Math.floor(time / every) + 1) * every };
  }
  if (typeof cron !== "string") throw new ConfigError(`${where}: cron is a pattern as in "0 3 * * *", but it is ${show(cron)}`);
  return cronTicks(where, cron, timezone ?? "UTC");
}

function cronTicks(where: string, pattern: string, timezone: string): Ticks {
  const cron = parsed(where, pattern, timezone);
  return {
    description: `cron "${pattern}" (${timezone})`,
    after: (time) => cron.nextRun(new Date(time))?.getTime(),
  };
}

function parsed(where: string, pattern: string, timezone: string): Cron {
  try {
    const cron = new Cron(pattern, { timezone, paused: true, mode: "5-or-6-parts" });
    // A time zone is only looked at when it is used.
    cron.nextRun(new Date(0));
    return cron;
  } catch (error) {
    throw new ConfigError(`${where}: cron "${pattern}" in time zone "${timezone}" is refused: ${messageOf(error)}`, { cause: error });
  }
}
