/** The sink for the terminal: one line a record, at least once, since what was printed cannot be taken back. */
import { type Sink, sink } from "../computation/edges.ts";
import { ConfigError, InvalidUseError, messageOf, SinkUnavailableError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import type { StreamRecord } from "../record.ts";
import { jsonLine } from "./json-line.ts";
import type { SinkWriter } from "./sink.ts";

export interface ConsoleOptions<T> {
  /** The text of a record, without its line end. Default: its value as JSON. */
  readonly line?: ((value: T, record: StreamRecord<T>) => string) | undefined;
}

/** Tries of a record whose `line` throws, before it is parked in dead letters. */
const ATTEMPTS = 5;

/** Prints each record to the standard output, in the order of commits, at least once; waits while the output is slow. */
export function toConsole<T>(options: ConsoleOptions<T> = {}): Sink<T> {
  checkOptions("toConsole", options, ["line"]);
  const { line = (value: T) => jsonLine(value) } = options;
  if (typeof line !== "function") throw new ConfigError("toConsole: line is not a function of the value");
  return sink<T>({
    kind: "sink",
    description: "console",
    attempts: ATTEMPTS,
    open: async () => new ConsoleWriter(line as (value: unknown, record: StreamRecord<unknown>) => string),
  });
}

class ConsoleWriter implements SinkWriter {
  readonly #line: (value: unknown, record: StreamRecord<unknown>) => string;

  constructor(line: (value: unknown, record: StreamRecord<unknown>) => string) {
    this.#line = line;
  }

  async write(records: readonly StreamRecord<unknown>[]): Promise<undefined> {
    let text = "";
    for (const record of records) {
      const line: unknown = this.#line(record.value, record);
      if (typeof line !== "string") throw new InvalidUseError(`console: line gave ${typeof line}, not a string`);
      text += `${line}\n`;
    }
    if (text === "") return undefined;
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(text, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(new SinkUnavailableError(`the standard output could not be written to: ${messageOf(error)}`, { cause: error }));
      });
    });
    return undefined;
  }

  async close(): Promise<void> {}
}
