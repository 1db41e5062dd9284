/** Where log lines go: a function of the user's, a logger of pino's kind, or standard error. */
import { ConfigError } from "./errors.ts";
import { show } from "./options.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * `fields` is flat: `pipeline`; of lines about a computation `computation`; of lines of a handler and about one record `key`.
 * Texts and the other fields name no key and no value, besides what user code says itself: what it logs, and the messages
 * of what it throws.
 */
export type LogFunction = (level: LogLevel, text: string, fields: object) => void;

/** What pino's loggers have, and those of many others. Each level takes the fields first. */
export type Logger = Readonly<Record<LogLevel, (fields: object, text: string) => void>>;

const LEVELS = ["debug", "info", "warn", "error"] as const;

/** `where` begins the message of the ConfigError. undefined: warnings and errors to standard error. */
export function logFunction(where: string, log: LogFunction | Logger | undefined): LogFunction {
  if (log === undefined) return toStandardError;
  if (typeof log === "function") return log;
  // Plain JavaScript may give anything.
  const given = Object(log) as Partial<Logger>;
  if (!LEVELS.every((level) => typeof given[level] === "function"))
    throw new ConfigError(`${where}: log is a function of (level, text, fields), or a logger with ${LEVELS.join(", ")}, but it is ${show(log)}`);
  return (level, text, fields) => log[level](fields, text);
}

function toStandardError(level: LogLevel, text: string, fields: object): void {
  if (level === "debug" || level === "info") return;
  console.error(`${level}: ${text} ${JSON.stringify(fields)}`);
}
