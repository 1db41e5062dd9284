/** What shards and user code log, as effects that say whose it is. */
import type { Log } from "../computation/context.ts";
import type { Effect } from "./effect.ts";

export function logEffects(effect: (effect: Effect) => void, pipeline: string, computation: string, key: string | undefined): Log {
  const write = (level: "debug" | "info" | "warn" | "error") => (text: string, fields?: object) =>
    effect({ kind: "log", level, text, fields: { pipeline, computation, ...(key === undefined ? {} : { key }), ...fields } });
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
