/** The injector for Redis Streams: entries after a position that is ours, exactly once. `StreamReader` does the reading. */
import { type Injector, injector, type InjectorOptions } from "../computation/edges.ts";
import type { Schema } from "../computation/schema.ts";
import { ConfigError, messageOf } from "../errors.ts";
import type { SourceContext, SourceReader } from "../injectors/injector.ts";
import { type InjectorSettings, injectorSettings } from "../injectors/injector-settings.ts";
import { show } from "../options.ts";
import type { RedisTarget } from "../store/redis/client-options.ts";
import { isStorable } from "../text.ts";
import { seconds } from "../time.ts";
import { boundedDisorder } from "../watermark/bounded-disorder.ts";
import { entryIdOf } from "./entry-id.ts";
import { entryTime } from "./entry-time.ts";
import type { StreamEntry } from "./packed-entries.ts";
import { streamPlace } from "./stream-connection.ts";
import { storedPosition } from "./stream-position.ts";
import { type ReaderSettings, StreamReader } from "./stream-reader.ts";

export interface RedisStreamOptions<T> extends InjectorOptions<T> {
  /**
   * A URL ("redis://user:password@host:6379/0", "rediss://..." for TLS, "/path/of/a.sock"), options of ioredis, or a
   * client of ioredis, whose options are copied: it is neither used nor closed. Each partition has a connection of its own.
   */
  readonly connection: RedisTarget;
  /**
   * Where to begin: with the oldest entry that is there, with what is added from now on, or after the entry of this id
   * ("1700000000000-0"; "1700000000000" is that too). Read once, at the first start: then a position is stored. Default
   * "beginning".
   */
  readonly start?: "beginning" | "end" | (string & {}) | undefined;
  /** The value of an entry; what it throws makes the entry a dead letter. Default: the fields. */
  readonly value?: ((fields: Readonly<Record<string, string>>, entry: StreamEntry) => T) | undefined;
  /** The value is the JSON in the field of this name; an entry where there is none becomes a dead letter. Instead of `value`. */
  readonly json?: string | undefined;
  /**
   * What to do where entries were trimmed before they were read: stop the pipeline with a ConfigError that says how many,
   * or pass over them, with one dead letter that says so. Default "fail".
   */
  readonly onTrimmed?: "fail" | "skip" | undefined;
}

/**
 * Brings in the entries of a Redis Stream, each exactly once, in their order; of several streams, each is a partition.
 * The end of a stream is not the end of the input: it is waited for the next entry.
 *
 * The position is kept by the pipeline, committed with the entries; no consumer group is used and nothing is deleted or
 * acknowledged in Redis, so the stream has to be trimmed by those who add to it, not faster than it is read. A Redis that
 * is down, restarting or being replaced is waited for, with a line in the log. Redis 7.0, or Valkey 7.2, or later.
 *
 * Defaults: the timestamp of a record is the ms in its entry's id, and `watermark` is `entryTime()`, which goes on by the
 * clock of Redis while the stream is silent. With `timestamp`, it is `boundedDisorder(5 s)`, and a silent stream holds its
 * consumers, unless the policy has an `idleAfter`. `maxAhead`: one hour.
 *
 * Stops the pipeline with a ConfigError where the key is no stream, the user or password is wrong, or `onTrimmed` says so;
 * and where a stream was deleted and made anew with smaller ids. Throws one where options cannot be meant.
 */
export function fromRedisStream<T>(
  keys: string | readonly string[],
  options: Omit<RedisStreamOptions<T>, "value"> & {
    readonly schema: Schema<T>;
    readonly value?: ((fields: Readonly<Record<string, string>>, entry: StreamEntry) => unknown) | undefined;
  },
): Injector<T>;
export function fromRedisStream<T = Readonly<Record<string, string>>>(keys: string | readonly string[], options: RedisStreamOptions<T>): Injector<T>;
export function fromRedisStream<T>(keys: string | readonly string[], options: RedisStreamOptions<T>): Injector<T> {
  const list = checkedKeys(keys);
  const where = `fromRedisStream (${list.join(", ")})`;
  const settings = injectorSettings(where, options, {
    own: ["connection", "start", "value", "json", "onTrimmed"],
    watermark: Object(options).timestamp === undefined ? entryTime() : boundedDisorder(seconds(5)),
  });
  const readers = list.map((key) => readerSettings(where, key, options as RedisStreamOptions<unknown>, settings));
  return injector<T>({
    kind: "injector",
    description: `Redis ${list.length === 1 ? "stream" : "streams"} ${list.join(", ")}`,
    partitions: list.length,
    ...settings,
    open: async (context, position) => openReader(readers[context.partition]!, context, position),
  });
}

function openReader(settings: ReaderSettings, context: SourceContext, position: unknown): SourceReader {
  return new StreamReader(settings, context, storedPosition(settings.place.description, settings.place.key, position));
}

function checkedKeys(keys: string | readonly string[]): readonly string[] {
  const list: readonly unknown[] = Array.isArray(keys) ? keys : [keys];
  const wrong = list.find((key) => typeof key !== "string" || key === "" || !isStorable(key));
  if (wrong !== undefined || list.length === 0) {
    throw new ConfigError(`fromRedisStream: give the key of a stream, or an array of keys, not ${list.length === 0 ? "an empty one" : show(wrong)}`);
  }
  if (new Set(list).size < list.length) throw new ConfigError("fromRedisStream: a key is given twice; each stream is read once");
  return list as readonly string[];
}

function readerSettings(where: string, key: string, options: RedisStreamOptions<unknown>, { watermark }: InjectorSettings): ReaderSettings {
  const { connection, start = "beginning", value, json, onTrimmed = "fail" } = options;
  const from = start === "beginning" || start === "end" ? start : entryIdOf(start);
  if (from === undefined)
    throw new ConfigError(`${where}: start is "beginning", "end" or the id of an entry, as in "1700000000000-0", but it is ${show(start)}`);
  if (onTrimmed !== "fail" && onTrimmed !== "skip") throw new ConfigError(`${where}: onTrimmed is "fail" or "skip", but it is ${show(onTrimmed)}`);
  if (value !== undefined && typeof value !== "function") throw new ConfigError(`${where}: value is not a function of the fields`);
  if (json !== undefined && (typeof json !== "string" || json === "")) throw new ConfigError(`${where}: json is the name of a field, but it is ${show(json)}`);
  if (json !== undefined && value !== undefined) throw new ConfigError(`${where}: give json or value, not both: each says what the value of an entry is`);
  return { place: streamPlace(where, connection, key), start: from, onTrimmed, watermark, read: valueOf(value, json) };
}

function valueOf(value: RedisStreamOptions<unknown>["value"], json: string | undefined): ReaderSettings["read"] {
  return (entry) => {
    try {
      if (value !== undefined) return { value: value(entry.fields, entry) };
      if (json === undefined) return { value: entry.fields };
      if (!Object.hasOwn(entry.fields, json)) return { value: JSON.stringify(entry), failure: `entry ${entry.id} has no field ${JSON.stringify(json)}` };
      return { value: JSON.parse(entry.fields[json]!) as unknown };
    } catch (error) {
      return { value: JSON.stringify(entry), failure: `entry ${entry.id}: ${messageOf(error)}` };
    }
  };
}
