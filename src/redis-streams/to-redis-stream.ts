/** The sink for Redis Streams: one entry a record, each exactly once. `StreamWriter` does the writing. */
import { type Sink, sink } from "../computation/edges.ts";
import { ConfigError, InvalidUseError, InvariantError } from "../errors.ts";
import { checkOptions, show } from "../options.ts";
import type { StreamRecord } from "../record.ts";
import { jsonLine } from "../sinks/json-line.ts";
import type { RedisTarget } from "../store/redis/client-options.ts";
import { isStorable } from "../text.ts";
import { streamPlace } from "./stream-connection.ts";
import { type EntryTexts, openWriter, type WriterSettings } from "./stream-writer.ts";

/** The field of every entry that names its record: "<sink>:<record.id>". */
const RECORD_FIELD = "millrace";

export interface RedisStreamSinkOptions<T> {
  /**
   * A URL ("redis://user:password@host:6379/0", "rediss://..." for TLS, "/path/of/a.sock"), options of ioredis, or a
   * client of ioredis, whose options are copied: it is neither used nor closed. The sink has a connection of its own.
   * Left out: the stream is in the pipeline's own store, a single Redis, and commits append to it.
   */
  readonly connection?: RedisTarget | undefined;
  /** The fields of a record's entry, one to 500; `millrace` is taken. Default: `{ value: <the value as JSON> }`. */
  readonly fields?: ((record: StreamRecord<T>) => Readonly<Record<string, string | number | Buffer>>) | undefined;
  /**
   * Entries that the stream keeps at least; older ones are removed as new ones are added, many at once (`MAXLEN ~`). At
   * least 1,024, as many as may be written at once. Default: none are removed.
   */
  readonly maxLength?: number | undefined;
}

/** Tries of a record whose `fields` throws, before it is parked in dead letters. */
const ATTEMPTS = 5;
const FIELDS = 500;
/** Records that the engine hands over at once. */
const WRITTEN_AT_ONCE = 1_024;

/**
 * Appends each record to a Redis Stream, exactly once, in the order of commits, whatever crashes and whoever else adds to
 * the stream.
 *
 * Without `connection` the stream is in the Redis of the pipeline's `RedisStore`, and a record's entry is part of the commit
 * that produces it: there from that moment and no sooner, without another hop, and as durable as all else in that commit. It
 * has the fields that are given and no other. `fields` is called as the record is produced, on the value itself, which it
 * must not change; the record's `late` is false. What it throws makes a dead letter of the sink at once. The sink's own
 * counts stay 0: its records are counted as produced. `run` throws a StoreRefusedError where the store is another one or a
 * cluster, where the key is no stream, or where the user may not append to it.
 *
 * With `connection`, entries may be seen before they are committed; they stay, for the records are not written again. Each
 * has a field `millrace`, which no other record's entry has, by which readers can tell a record too.
 *
 * It is then as safe as Redis keeps it: a server that loses what it had taken (a power failure, a failover) stops the sink with
 * a SinkLostDataError. Where entries are removed before a crashed sink is back, by trimming or by readers that delete,
 * those of its last writes may be appended again: no stream has a record twice at one time, but its readers may.
 *
 * A Redis that is down, full or read-only counts against no record: the sink waits and tries again. Stops the pipeline
 * with a ConfigError where the key is no stream or the user or password is wrong. Redis 7.0, or Valkey 7.2, or later.
 * Throws a ConfigError where options cannot be meant.
 */
export function toRedisStream<T>(key: string, options: RedisStreamSinkOptions<T> = {}): Sink<T> {
  if (typeof key !== "string" || key === "" || !isStorable(key)) throw new ConfigError(`toRedisStream: give the key of a stream, not ${show(key)}`);
  const where = `toRedisStream (${key})`;
  checkOptions(where, options, ["connection", "fields", "maxLength"]);
  const { connection, fields = (record: StreamRecord<T>) => ({ value: jsonLine(record.value) }), maxLength } = Object(options) as RedisStreamSinkOptions<T>;
  if (typeof fields !== "function") throw new ConfigError(`${where}: fields is not a function of the record`);
  if (maxLength !== undefined && !(Number.isSafeInteger(maxLength) && maxLength >= WRITTEN_AT_ONCE)) {
    throw new ConfigError(`${where}: maxLength is a whole number from ${WRITTEN_AT_ONCE}, as many as may be written at once, but it is ${show(maxLength)}`);
  }
  if (connection === undefined) {
    const appends = { key, maxLength, texts: (record: StreamRecord<unknown>) => textsOf(`Redis stream ${key}`, (fields as FieldsOf)(record)) };
    return sink<T>({ kind: "sink", description: `Redis stream ${key} of the store`, attempts: ATTEMPTS, appends, open: neverOpened });
  }
  const place = streamPlace(where, connection, key);
  const texts = (record: StreamRecord<unknown>): EntryTexts => textsOf(place.description, (fields as FieldsOf)(record));
  const settings: WriterSettings = { place, texts, maxLength };
  return sink<T>({ kind: "sink", description: `Redis stream ${key}`, attempts: ATTEMPTS, open: (checkpoint) => openWriter(settings, checkpoint) });
}

const neverOpened = (): Promise<never> => Promise.reject(new InvariantError("a sink in the store has no writer"));

type FieldsOf = (record: StreamRecord<unknown>) => unknown;

function textsOf(description: string, fields: unknown): EntryTexts {
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw new InvalidUseError(`${description}: fields gave ${show(fields)}, not an object of fields`);
  }
  const texts: (string | Buffer)[] = [];
  // Not by entries: an array of each would be garbage for each record.
  for (const name of Object.keys(fields)) {
    const value = (fields as Readonly<Record<string, unknown>>)[name];
    if (name === RECORD_FIELD) throw new InvalidUseError(`${description}: the field "${RECORD_FIELD}" holds the id of the record; give yours another name`);
    if (typeof value === "string" || Buffer.isBuffer(value)) texts.push(name, value);
    else if (typeof value === "number") texts.push(name, String(value));
    else throw new InvalidUseError(`${description}: the field ${show(name)} is ${show(value)}, not a string, a number or a Buffer`);
  }
  if (texts.length > 2 * FIELDS) throw new InvalidUseError(`${description}: fields gave ${texts.length / 2} fields; ${FIELDS} at most`);
  return texts;
}
