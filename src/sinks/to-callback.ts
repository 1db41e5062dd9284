/** The sink for code of the user's: at least once, in order. */
import { type Sink, sink } from "../computation/edges.ts";
import { ConfigError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import type { StreamRecord } from "../record.ts";
import type { SinkWriter } from "./sink.ts";

export interface CallbackOptions {
  /** Calls for one record, the first included, before it is parked in dead letters; Infinity: for ever. Default 5. */
  readonly attempts?: number | undefined;
}

/**
 * Calls `callback` for each record, one after the other in the order of commits, and waits for its promise. A record is
 * done once its call has returned **and** that was committed, so the guarantee is at least once: after a crash between
 * the two the last records are called for again, in the same order and with the same `record.id`, by which the callee
 * can tell. A call that throws is repeated without repeating those before it.
 */
export function toCallback<T>(callback: (record: StreamRecord<T>) => void | Promise<void>, options: CallbackOptions = {}): Sink<T> {
  if (typeof callback !== "function") throw new ConfigError("toCallback: give a function of the record");
  checkOptions("toCallback", options, ["attempts"]);
  const { attempts = 5 } = options;
  if (!(attempts === Number.POSITIVE_INFINITY || (Number.isSafeInteger(attempts) && attempts >= 1))) {
    throw new ConfigError(`toCallback: attempts is ${String(attempts)}; give a whole number from 1, or Infinity`);
  }
  return sink<T>({
    kind: "sink",
    description: callback.name === "" ? "callback" : `callback ${callback.name}`,
    attempts,
    open: async () => new CallbackWriter(callback as (record: StreamRecord<unknown>) => void | Promise<void>),
  });
}

class CallbackWriter implements SinkWriter {
  readonly #callback: (record: StreamRecord<unknown>) => void | Promise<void>;
  /** Ids of records that were called for in a write that failed afterwards: they are given again, but not called for. */
  readonly #called = new Set<string>();

  constructor(callback: (record: StreamRecord<unknown>) => void | Promise<void>) {
    this.#callback = callback;
  }

  async write(records: readonly StreamRecord<unknown>[]): Promise<undefined> {
    for (const [i, record] of records.entries()) {
      if (this.#called.has(record.id)) continue;
      try {
        const called = this.#callback(record);
        if (called !== undefined) await called;
      } catch (error) {
        for (const done of records.slice(0, i)) this.#called.add(done.id);
        throw error;
      }
    }
    for (const record of records) this.#called.delete(record.id);
    return undefined;
  }

  async close(): Promise<void> {}
}
