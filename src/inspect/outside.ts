/** The store of a worker, read from outside: on a connection of its own, which is opened when it is first asked for. */
import type { Clock } from "../clock.ts";
import type { ReadableStore, StoreReader } from "../store/reader.ts";
import { RequestError } from "./request-error.ts";

export class Outside {
  readonly #readable: ReadableStore | undefined;
  readonly #pipeline: string;
  readonly #clock: Clock;
  #reader: Promise<StoreReader> | undefined;

  /** `readable` undefined: the store cannot be read so. */
  constructor(readable: ReadableStore | undefined, pipeline: string, clock: Clock) {
    this.#readable = readable;
    this.#pipeline = pipeline;
    this.#clock = clock;
  }

  /** RequestError where the store cannot be read so. */
  reader(): Promise<StoreReader> {
    if (this.#readable === undefined) throw new RequestError(501, "not-readable", "this store cannot be read from outside: it has no `read`");
    this.#reader ??= this.#open(this.#readable);
    return this.#reader;
  }

  async #open(readable: ReadableStore): Promise<StoreReader> {
    try {
      return await readable.read({ pipeline: this.#pipeline, clock: this.#clock });
    } catch (error) {
      this.#reader = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    await (await this.#reader?.catch(() => undefined))?.close();
  }
}
