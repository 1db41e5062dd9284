/**
 * Reads one stream after a position: page after page, and at its end waits for the next entry. Owns the connection, which
 * it makes anew as often as it is lost; what an entry means is told to it.
 *
 * R1  Entries are handed on in their order, each once; the position of each is where to go on after it.
 * R2  A Redis that does not answer is waited for, however long it takes: `pull` then settles with what comes after it.
 * R3  While Redis does not answer, nothing is promised.
 */
import type { Buffer } from "node:buffer";
import { ConfigError, InjectorFailedError } from "../errors.ts";
import type { Pulled, SourceContext, SourceItem, SourceReader } from "../injectors/injector.ts";
import { PushedMarks } from "../injectors/pushed-marks.ts";
import { WakeUp } from "../injectors/wake-up.ts";
import { shardOf } from "../key.ts";
import { systemRandom } from "../random.ts";
import type { WatermarkPolicy } from "../watermark/policy.ts";
import { NO_ENTRY, timeOf } from "./entry-id.ts";
import { isEntryTime } from "./entry-time.ts";
import { EntryUnpacker, type StreamEntry } from "./packed-entries.ts";
import { READ_PAGE } from "./scripts.ts";
import { StreamConnection, type StreamPlace } from "./stream-connection.ts";
import { lossAfter, type StreamFacts, type StreamPosition, startOf } from "./stream-position.ts";

export interface ReaderSettings {
  readonly place: StreamPlace;
  readonly start: string;
  readonly onTrimmed: "fail" | "skip";
  readonly watermark: WatermarkPolicy;
  /** What an entry is to the pipeline: a value, or why it is none. */
  readonly read: (entry: StreamEntry) => { readonly value: unknown; readonly failure?: string };
}

/** Bytes of entries after which a page ends. */
const PAGE_BYTES = 1 << 20;
/** How long Redis keeps a call that waits for an entry, ms; between two looks at the whole stream, and two promises. */
const WAIT_MS = 1_000;
/** On top of it until Redis counts as lost, ms. */
const GRACE_MS = 5_000;
const BACKOFF_FIRST = 100;
const BACKOFF_MOST = 5_000;

type Page = readonly [last: Buffer, added: number, length: number, first: Buffer, now: number, whole: number, packs: readonly Buffer[]];

export class StreamReader implements SourceReader {
  readonly #settings: ReaderSettings;
  readonly #context: SourceContext;
  readonly #wakeUp = new WakeUp();
  readonly #marks: PushedMarks;
  readonly #abort: () => void;
  readonly #unpacker = new EntryUnpacker();
  #position: StreamPosition | undefined;
  #connection: StreamConnection | undefined;
  #waiting = false;
  #failure: Error | undefined;
  #failures = 0;
  /** The last promise of the time of Redis. */
  #promised = 0;

  constructor(settings: ReaderSettings, context: SourceContext, position: StreamPosition | undefined) {
    this.#settings = settings;
    this.#context = context;
    this.#position = position;
    this.#marks = new PushedMarks(settings.watermark, this.#wakeUp.wake);
    this.#abort = () => {
      this.#connection?.close();
      this.#wakeUp.wake();
    };
    context.signal.addEventListener("abort", this.#abort);
  }

  async pull(max: number): Promise<Pulled> {
    let items: SourceItem[] = [];
    while (items.length === 0 && !this.#context.signal.aborted) {
      try {
        items = await this.#next(max);
      } catch (error) {
        if (this.#context.signal.aborted) break;
        if (!(error instanceof InjectorFailedError)) throw error;
        await this.#backOff(error);
      }
    }
    return { items, done: false };
  }

  async close(): Promise<void> {
    this.#context.signal.removeEventListener("abort", this.#abort);
    this.#marks.close();
    this.#connection?.close();
  }

  /** One step: a page, or, where there is no more to read, a wait that something has ended. */
  async #next(max: number): Promise<SourceItem[]> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    if (!this.#waiting) {
      const connection = await this.#connected();
      const page = (await connection.runForBytes(READ_PAGE, [this.#position?.id ?? NO_ENTRY, this.#position === undefined ? 0 : max, PAGE_BYTES])) as Page;
      this.#answered();
      const items = this.#take(page);
      if (items.length > 0) return items;
      this.#wait(connection);
    }
    const items: SourceItem[] = [];
    if (this.#position !== undefined) this.#marks.append(items, this.#position);
    if (items.length === 0) await this.#wakeUp.wait();
    return items;
  }

  #take([lastId, added, length, firstId, now, whole, packs]: Page): SourceItem[] {
    const [last, first] = [lastId.toString(), firstId.toString()];
    const { place, start, onTrimmed } = this.#settings;
    const facts: StreamFacts = { last, added, length, first };
    if (this.#position === undefined) {
      this.#position = startOf(place.description, place.key, start, facts);
      // Committed before the first entry: what is added from now on is ours, whatever happens until then.
      return this.#position === undefined ? [] : [{ value: undefined, position: this.#position, mark: true }];
    }
    const loss = lossAfter(this.#position, facts);
    if (loss !== undefined) {
      const text = `${place.description} ${loss.text}`;
      if (loss.after === undefined) throw new ConfigError(text);
      if (onTrimmed === "fail") {
        throw new ConfigError(
          `${text}. To go on with what is left, give onTrimmed: "skip"; to begin anew, give the injector a new name. Let whoever trims the stream keep more of it`,
        );
      }
      const before = this.#position;
      this.#position = loss.after;
      return [{ value: `after ${before.id}`, position: loss.after, failure: `${text}; they are passed over, as onTrimmed says` }];
    }
    // Whatever was deleted among the entries, those that were ever added are all behind us at the end.
    const items = this.#itemsOf(packs, whole === 1 ? added : undefined);
    const end = items.at(-1)?.position as StreamPosition | undefined;
    if (end !== undefined) this.#position = end;
    else if (whole === 1 && last !== "") this.#position = { ...this.#position, number: added };
    if (items.length === 0 && whole === 1) this.#promise(items, now);
    return items;
  }

  /** @param end the number of the last one, where it is known. */
  #itemsOf(packs: readonly Buffer[], end: number | undefined): SourceItem[] {
    const { place, read } = this.#settings;
    const items: SourceItem[] = [];
    let number = this.#position?.number;
    let position: { key: string; id: string; number: number | undefined } | undefined;
    const take = (entry: StreamEntry): void => {
      if (number !== undefined) number++;
      position = { key: place.key, id: entry.id, number };
      const { value, failure } = read(entry);
      // Written out: what is spread into an object that then grows is a hash table.
      items.push(failure === undefined ? { value, position, timestamp: timeOf(entry.id) } : { value, position, timestamp: timeOf(entry.id), failure });
    };
    for (const pack of packs) this.#unpacker.unpack(pack, take);
    if (position !== undefined && end !== undefined) position.number = end;
    return items;
  }

  /** In silence Redis itself says how late it is: an entry that it adds from now on is not older. */
  #promise(items: SourceItem[], now: number): void {
    const { watermark } = this.#settings;
    if (!isEntryTime(watermark)) return;
    const promise = now - watermark.slack;
    if (promise < this.#promised + WAIT_MS) return;
    this.#promised = promise;
    items.push({ value: undefined, position: this.#position, watermark: promise, mark: true });
  }

  /** Until there is an entry, or it is time to look again. The call stays open where something else ends the wait. */
  #wait(connection: StreamConnection): void {
    const { key } = this.#settings.place;
    this.#waiting = true;
    const call = connection.call("XREAD", ["COUNT", 1, "BLOCK", WAIT_MS, "STREAMS", key, this.#position?.id ?? NO_ENTRY], WAIT_MS + GRACE_MS);
    void call
      .catch((error: unknown) => (this.#failure = error as Error))
      .then(() => {
        this.#waiting = false;
        this.#wakeUp.wake();
      });
  }

  async #connected(): Promise<StreamConnection> {
    if (this.#connection !== undefined && !this.#connection.isLost) return this.#connection;
    const { place } = this.#settings;
    const { clock, signal } = this.#context;
    const unavailable = (what: string, cause: unknown): InjectorFailedError => new InjectorFailedError(`${place.description}: ${what}`, { cause });
    this.#connection = await StreamConnection.open({ place, clock, unavailable }, signal);
    return this.#connection;
  }

  #answered(): void {
    if (this.#failures > 0) this.#context.warn(`${this.#settings.place.description} is read again`);
    this.#failures = 0;
  }

  async #backOff(error: InjectorFailedError): Promise<void> {
    this.#connection?.close();
    if (this.#failures++ === 0) this.#context.warn(`${error.message}; it is tried again until it answers`);
    const longest = Math.min(BACKOFF_FIRST * 2 ** Math.min(this.#failures - 1, 10), BACKOFF_MOST);
    // By chance, from half of it: not all readers of a server that has restarted come at once.
    const wait = longest * (0.5 + shardOf(systemRandom.id(), 1_000) / 2_000);
    let over = false;
    const cancel = this.#context.clock.after(wait, () => {
      over = true;
      this.#wakeUp.wake();
    });
    while (!over && !this.#context.signal.aborted) await this.#wakeUp.wait();
    cancel();
    // A promise that was pushed meanwhile is still to be taken.
    this.#wakeUp.wake();
  }
}
