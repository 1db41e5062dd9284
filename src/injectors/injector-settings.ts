/**
 * What every injector may be told, made whole: checked, with its defaults. It does not own the injector's own options.
 */
import type { InjectorOptions } from "../computation/edges.ts";
import { checkSchema } from "../computation/schema.ts";
import { ConfigError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import { hours } from "../time.ts";
import { ascending } from "../watermark/ascending.ts";
import type { WatermarkPolicy } from "../watermark/policy.ts";
import type { InjectorSource } from "./injector.ts";

export type InjectorSettings = Pick<InjectorSource, "schema" | "timestamp" | "id" | "idRetention" | "deduplicate" | "watermark" | "maxAhead">;

const OPTIONS = ["schema", "timestamp", "id", "idRetention", "deduplicate", "watermark", "maxAhead"];

export interface InjectorDefaults {
  /** Names of the options that the injector has beside those of every injector. */
  readonly own: readonly string[];
  readonly watermark?: WatermarkPolicy;
  /** Each item has an id, also where the options give none. */
  readonly identified?: boolean;
  /** ms; Infinity: any timestamp. */
  readonly maxAhead?: number;
}

/**
 * The options with their defaults: records in the order of time (`ascending`), ids known for an hour, timestamps at most an
 * hour ahead of the clock. ConfigError, naming `injector`, if one of them cannot be meant.
 */
export function injectorSettings<T>(injector: string, options: InjectorOptions<T>, defaults: InjectorDefaults): InjectorSettings {
  checkOptions(injector, options, [...defaults.own, ...OPTIONS]);
  const {
    schema,
    timestamp,
    id,
    idRetention = hours(1),
    deduplicate = true,
    watermark = defaults.watermark ?? ascending(),
    maxAhead = defaults.maxAhead ?? hours(1),
  } = options;
  checkSchema(injector, schema);
  for (const [name, given] of [
    ["timestamp", timestamp],
    ["id", id],
  ] as const) {
    if (given !== undefined && typeof given !== "function") throw new ConfigError(`${injector}: ${name} is not a function of the value`);
  }
  if (typeof deduplicate !== "boolean") throw new ConfigError(`${injector}: deduplicate is true or false, but it is ${String(deduplicate)}`);
  if (!deduplicate && ((id === undefined && defaults.identified !== true) || options.idRetention !== undefined))
    throw new ConfigError(
      `${injector}: deduplicate: false has no effect ${id === undefined ? "without an id" : "beside idRetention"}; leave ${id === undefined ? "it" : "one of them"} out`,
    );
  if (!isDuration(idRetention)) throw new ConfigError(`${injector}: idRetention is ${String(idRetention)}; give ms, 0 or more`);
  if (!isDuration(maxAhead)) throw new ConfigError(`${injector}: maxAhead is ${String(maxAhead)}; give ms, 0 or more, or Infinity for any timestamp`);
  if (watermark?.kind !== "watermark-policy") {
    throw new ConfigError(`${injector}: watermark is not a policy; give ascending(), boundedDisorder(ms), learnedDisorder(), trailingClock(ms) or byHand()`);
  }
  return { schema, timestamp, id, idRetention, deduplicate, watermark, maxAhead };
}

function isDuration(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}
