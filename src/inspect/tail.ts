/**
 * A look at what a stream carries, as this worker commits it: a sample, never all. While nobody looks there is nothing of it
 * anywhere: who looks puts himself between the worker and its store, and the last one who leaves takes that away.
 *
 * T1  What is shown is committed. A stream that nobody reads carries nothing.
 * T2  In each quarter of a second at most a quarter of the rate is decoded and shown, the first that come; the others are counted.
 */
import type { Clock } from "../clock.ts";
import { openValueAt } from "../computation/envelope.ts";
import { participantOf } from "../key.ts";
import { jsonLine } from "../sinks/json-line.ts";
import type { Commit } from "../store/index.ts";
import type { PipelineStore } from "../store/store.ts";
import { type ParcelRecord, placeId, unpackParcel } from "../worker/parcel.ts";
import type { PlannedStream } from "../worker/plan.ts";

/** What a quarter of a second has brought of a stream. */
export interface TailView {
  readonly stream: string;
  /** ms since the epoch. */
  readonly at: number;
  /** Records that this worker committed, those that are shown among them. */
  readonly seen: number;
  readonly records: readonly TailedRecord[];
}

export interface TailedRecord {
  readonly id: string;
  /** By the first consumer's extractor; null: it failed. */
  readonly key: string | null;
  readonly timestamp: number;
  /** As `toFile` writes it; null where it cannot be read. */
  readonly value: unknown;
}

/** ms of one sample. */
const SAMPLE = 250;

interface Watcher {
  readonly stream: PlannedStream;
  readonly most: number;
  readonly records: TailedRecord[];
  seen: number;
}

export class Tail {
  readonly #store: PipelineStore;
  readonly #clock: Clock;
  readonly #watchers = new Set<Watcher>();
  /** The store's own method is there again. */
  #end: () => unknown = () => {};

  constructor(store: PipelineStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Gives a sample every quarter of a second, an empty one too, until what it returns is called. `rate`: records a second. */
  watch(stream: PlannedStream, rate: number, take: (view: TailView) => void): () => void {
    const watcher: Watcher = { stream, most: Math.max(1, Math.round((rate * SAMPLE) / 1_000)), records: [], seen: 0 };
    if (this.#watchers.size === 0) this.#begin();
    this.#watchers.add(watcher);
    let cancel = (): void => {};
    const give = (): void => {
      cancel = this.#clock.after(SAMPLE, give);
      take({ stream: stream.name, at: this.#clock.now(), seen: watcher.seen, records: watcher.records.splice(0) });
      watcher.seen = 0;
    };
    give();
    return () => {
      cancel();
      if (this.#watchers.delete(watcher) && this.#watchers.size === 0) this.#end();
    };
  }

  #begin(): void {
    const store = this.#store;
    const own = Object.getOwnPropertyDescriptor(store, "commit");
    this.#end = () => (own === undefined ? delete (store as { commit?: unknown }).commit : Object.defineProperty(store, "commit", own));
    const commit = store.commit.bind(store);
    store.commit = async (commits) => {
      const reply = await commit(commits);
      commits.forEach((each, at) => {
        if (reply.outcomes[at] === "committed") this.#look(each);
      });
      return reply;
    };
  }

  #look({ parcels, handed, outbox }: Commit): void {
    for (const watcher of this.#watchers) {
      // Each consumer has a copy: one of them has all.
      const [consumer] = watcher.stream.consumers;
      if (consumer === undefined) continue;
      for (const { target, bytes } of [...parcels, ...handed, ...outbox]) {
        if (participantOf(target) !== consumer.participant) continue;
        unpackParcel(bytes, (record) => {
          if (record.input !== consumer.input) return;
          watcher.seen++;
          if (watcher.records.length < watcher.most) watcher.records.push(tailed(record, watcher.stream));
        });
      }
    }
  }
}

function tailed(record: ParcelRecord, { codec }: PlannedStream): TailedRecord {
  const { id, sender, monotonic, place, key, refused, timestamp, bytes, from, to } = record;
  return { id: id ?? placeId(sender, monotonic, place), key: refused ? null : key, timestamp, value: valueOf(() => openValueAt(codec, bytes, from, to)) };
}

function valueOf(read: () => unknown): unknown {
  try {
    return JSON.parse(jsonLine(read()));
  } catch {
    return null;
  }
}
