/**
 * Writes a sink's records into a stream. Owns the connection and the checkpoint; what the entry of a record holds is told
 * to it.
 *
 * W1  An entry is appended only by the script that has looked through all that came after the checkpoint, in one step. So
 *     it is there once: whatever a crash left behind, a writer that was thought dead does, or Redis runs late.
 * W2  A checkpoint is given out only when its entries are in the stream.
 * W3  A checkpoint names the records whose entries are before its end and that the engine has still to give: of several that a
 *     dead writer left, the engine may give and commit the first ones alone, and whoever opens there would not find the rest.
 * W4  A writer that cannot know what is there, since entries after its checkpoint were removed, appends nothing. Only
 *     `open`, which the shard's owner alone calls, goes on from there.
 */
import { systemClock } from "../clock.ts";
import { ConfigError, SinkLostDataError, SinkUnavailableError } from "../errors.ts";
import { systemRandom } from "../random.ts";
import type { StreamRecord } from "../record.ts";
import type { SinkWriter } from "../sinks/sink.ts";
import { readServerFacts } from "../store/redis/server-check.ts";
import { entryIdOf, NO_ENTRY } from "./entry-id.ts";
import { APPEND_ENTRIES } from "./scripts.ts";
import { StreamConnection, type StreamPlace } from "./stream-connection.ts";

/** What an entry of ours holds beside the record's id: fields and values, in turns. */
export type EntryTexts = readonly (string | Buffer)[];

export interface WriterSettings {
  readonly place: StreamPlace;
  /** Throws where the record is at fault. */
  readonly texts: (record: StreamRecord<unknown>) => EntryTexts;
  /** Entries that are kept at least; undefined: all. */
  readonly maxLength: number | undefined;
}

export interface StreamCheckpoint {
  readonly key: string;
  /** Drawn at the first open: by it the sink knows its own entries in the stream. */
  readonly sink: string;
  /** The last entry of the stream, and how many it had ever been given. */
  readonly id: string;
  readonly number: number;
  /** Records that are in the stream up to that entry, and were not given yet (W3). Left out where there are none. */
  readonly there?: readonly string[];
}

/** Entries and bytes of one call. */
const CALL_ENTRIES = 1_024;
const CALL_BYTES = 1 << 20;
/** Entries of others that one call looks through. */
const LOOK = 2_048;
/** Letters of the sink's own name: enough to tell the sinks of one stream apart. */
const NAME_LETTERS = 10;

type Outcome = "a" | "m" | "r" | "l";
type Reply = readonly [outcome: Outcome, last: string, added: number, removed: number, found: readonly string[]];

interface Entry {
  readonly record: string;
  readonly texts: EntryTexts;
}

/** Opens the stream at its checkpoint, and learns which records are in it after that. */
export async function openWriter(settings: WriterSettings, stored: unknown): Promise<SinkWriter> {
  const { place } = settings;
  const checkpoint = storedCheckpoint(place, stored);
  const unavailable = (what: string, cause?: unknown): SinkUnavailableError => new SinkUnavailableError(`${place.description}: ${what}`, { cause });
  const connection = await StreamConnection.open({ place, clock: systemClock, unavailable });
  try {
    void haveRewritten(connection);
    const writer = new StreamWriter(settings, connection, checkpoint);
    await writer.open();
    return writer;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Entries that Redis was killed amid would be there at a later start, after they were appended again (`ServerFacts.rewriteIsDue`). */
async function haveRewritten(connection: StreamConnection): Promise<void> {
  try {
    const facts = readServerFacts(String(await connection.call("INFO", [])));
    if (facts.rewriteIsDue) await connection.call("BGREWRITEAOF", []);
  } catch {
    // Where it is forbidden, whoever runs the server has to see to it; a connection that is lost tells its next caller.
  }
}

class StreamWriter implements SinkWriter {
  readonly #settings: WriterSettings;
  readonly #connection: StreamConnection;
  readonly #sink: string;
  readonly #isFirst: boolean;
  #initial: StreamCheckpoint | undefined;
  #id: string;
  #number: number;
  /** Records that were found in the stream, and have not been given to this writer yet. */
  readonly #there: Set<string>;

  constructor(settings: WriterSettings, connection: StreamConnection, checkpoint: StreamCheckpoint | undefined) {
    this.#settings = settings;
    this.#connection = connection;
    this.#isFirst = checkpoint === undefined;
    this.#sink = checkpoint?.sink ?? systemRandom.id().slice(0, NAME_LETTERS);
    this.#id = checkpoint?.id ?? NO_ENTRY;
    this.#number = checkpoint?.number ?? 0;
    this.#there = new Set(checkpoint?.there);
  }

  get initial(): StreamCheckpoint | undefined {
    return this.#initial;
  }

  async open(): Promise<void> {
    if (this.#isFirst) {
      // Nothing is ours yet, so nothing is looked through: to look at no entry says where the stream ends.
      await this.#toTheEnd();
      this.#initial = this.#checkpoint();
      return;
    }
    for (;;) {
      const [outcome, last, added, , found] = await this.#call([]);
      if (outcome === "l") throw this.#lost(last, added);
      for (const record of found) this.#there.add(record);
      if (outcome === "r") {
        // What was removed may have been ours; what is left is all that can be known.
        this.#number = added;
        continue;
      }
      this.#id = last;
      if (outcome === "m") continue;
      this.#number = added;
      return;
    }
  }

  async write(records: readonly StreamRecord<unknown>[]): Promise<StreamCheckpoint> {
    // All that may be a record's fault happens here, before anything is written.
    const entries = records.map((record): Entry => ({ record: record.id, texts: this.#settings.texts(record) }));
    let open = entries.filter(({ record }) => !this.#there.has(record));
    while (open.length > 0) {
      const count = together(open);
      const calling = open.slice(0, count);
      const [outcome, last, added, , found] = await this.#call(calling);
      if (outcome === "l") throw this.#unavailable(`its last entry ${last}, number ${added}, is before ${this.#id}, number ${this.#number}`);
      if (outcome === "r") throw this.#unavailable(`entries after ${this.#id} were removed meanwhile`);
      this.#id = last;
      for (const record of found) this.#there.add(record);
      if (outcome === "a") {
        this.#number = added;
        open = open.slice(count);
      }
      open = open.filter(({ record }) => !this.#there.has(record));
    }
    for (const { record } of entries) this.#there.delete(record);
    return this.#checkpoint();
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  async #toTheEnd(): Promise<void> {
    const { key } = this.#settings.place;
    if ((await this.#connection.call("EXISTS", [key])) === 0) return;
    const facts = (await this.#connection.call("XINFO", ["STREAM", key])) as readonly unknown[];
    const fact = (name: string): unknown => facts[facts.indexOf(name) + 1];
    this.#id = fact("last-generated-id") as string;
    this.#number = fact("entries-added") as number;
    if (entryIdOf(this.#id) !== undefined && Number.isSafeInteger(this.#number)) return;
    throw new ConfigError(`${this.#settings.place.description}: Redis 7.0 or later, or Valkey 7.2 or later, is needed`);
  }

  async #call(entries: readonly Entry[]): Promise<Reply> {
    const { maxLength } = this.#settings;
    const args: (string | number | Buffer)[] = [this.#id, this.#number, `${this.#sink}:`, maxLength ?? "", LOOK];
    for (const { record, texts } of entries) args.push(record, texts.length / 2, ...texts);
    return (await this.#connection.run(APPEND_ENTRIES, args)) as Reply;
  }

  #checkpoint(): StreamCheckpoint {
    const there = this.#there.size === 0 ? {} : { there: [...this.#there] };
    return { key: this.#settings.place.key, sink: this.#sink, id: this.#id, number: this.#number, ...there };
  }

  #lost(last: string, added: number): SinkLostDataError {
    return new SinkLostDataError(
      `${this.#settings.place.description} ends with entry ${last}, number ${added}, but was written up to ${this.#id}, number ${this.#number}: ` +
        "it was deleted, or Redis lost the end of it. Put it back as it was; or, to go on without what is missing, give the sink a new name",
    );
  }

  #unavailable(what: string): SinkUnavailableError {
    return new SinkUnavailableError(`${this.#settings.place.description}: ${what}`);
  }
}

/** How many of the first entries go into one call: one at least. */
function together(entries: readonly Entry[]): number {
  let bytes = 0;
  let count = 0;
  for (const { texts } of entries) {
    for (const text of texts) bytes += typeof text === "string" ? Buffer.byteLength(text) : text.length;
    if (count === CALL_ENTRIES || (count > 0 && bytes > CALL_BYTES)) break;
    count++;
  }
  return count;
}

function storedCheckpoint({ description, key }: StreamPlace, stored: unknown): StreamCheckpoint | undefined {
  if (stored === undefined) return undefined;
  const { key: of, sink, id, number, there = [] } = Object(stored) as Partial<Record<keyof StreamCheckpoint, unknown>>;
  if (typeof of !== "string" || typeof sink !== "string" || entryIdOf(id) !== id || !Number.isSafeInteger(number) || !isTexts(there)) {
    throw new ConfigError(`${description}: the stored checkpoint is not one of a stream; this sink's name belonged to another one. Give it a new name`);
  }
  if (of === key) return { key, sink, id: id as string, number: number as number, there };
  throw new ConfigError(`${description}: this sink has written to the stream ${JSON.stringify(of)} so far. To write to another one, give it a new name`);
}

function isTexts(values: unknown): values is readonly string[] {
  return Array.isArray(values) && values.every((value) => typeof value === "string");
}
