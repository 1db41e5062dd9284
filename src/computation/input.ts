/** Inputs: the streams that a computation reads, and how it keys them. */
import { ConfigError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import { checkName, checkRenamedFrom, show } from "./checks.ts";
import { type carries, HANDLE } from "./handle.ts";
import { checkStream, type Stream, type StreamHandle } from "./stream.ts";

/** A stream that a computation reads. A field of its class: `readonly orders = input(orders, { key: (order) => order.id })`. */
export interface Input<T> {
  readonly kind: "input";
  readonly [carries]: T;
}

export interface InputOptions<T> {
  /**
   * How this consumer keys the stream: pure, and gives a non-empty string. Runs once a record, in the sender; where it
   * throws or gives no key, this one delivery goes to this consumer's dead letters.
   */
  readonly key: (value: T) => string;
  /** Durable; tells two inputs of one stream apart. Default: the stream's. */
  readonly name?: string | undefined;
  /** Earlier names of this input. */
  readonly renamedFrom?: string | readonly string[] | undefined;
}

/** What an input holds, for the graph and the engine. */
export interface InputHandle extends Input<unknown> {
  readonly name: string;
  readonly stream: StreamHandle;
  readonly key: (value: unknown) => string;
  readonly renamedFrom: readonly string[];
}

/** Declares that a computation reads `stream`. */
export function input<T>(stream: Stream<T>, options: InputOptions<T>): Input<T> {
  checkStream("input(stream, { key })", stream);
  const where = `input of stream ${show(stream.name)}`;
  if (typeof options === "function") throw new ConfigError(`${where}: give the key extractor by name: input(stream, { key: (value) => ... })`);
  checkOptions(where, options, ["key", "name", "renamedFrom"]);
  if (typeof options?.key !== "function") {
    throw new ConfigError(`${where}: key is a function that gives a value's key, as in { key: (value) => value.id }, but it is ${show(options?.key)}`);
  }
  const name = options.name ?? stream.name;
  checkName(where, name);
  const handle = { [HANDLE]: true, kind: "input", name, stream, key: options.key, renamedFrom: checkRenamedFrom(where, name, options.renamedFrom) };
  return Object.freeze(handle) as unknown as Input<T>;
}
