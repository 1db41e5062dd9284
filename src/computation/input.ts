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
  /**
   * Which records of the stream are for this input; for the others nothing is stored or sent. Pure. Runs once a record, in the
   * sender, before `key`; where it throws, or gives something else than true or false, the delivery goes to this consumer's
   * dead letters. Default: all of them.
   */
  readonly where?: ((value: T) => boolean) | undefined;
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
  readonly where: ((value: unknown) => boolean) | undefined;
  readonly renamedFrom: readonly string[];
}

/** As `InputOptions`, of those values that `where` narrows the stream's type to. */
export interface NarrowedInputOptions<T, S extends T> extends Omit<InputOptions<S>, "where"> {
  readonly where: (value: T) => value is S;
}

/** Declares that a computation reads those records of `stream` of which `where` says so, a type guard: they are of its type. */
export function input<T, S extends T>(stream: Stream<T>, options: NarrowedInputOptions<T, S>): Input<S>;
/** Declares that a computation reads `stream`. */
export function input<T>(stream: Stream<T>, options: InputOptions<T>): Input<T>;
export function input<T>(stream: Stream<T>, options: InputOptions<T>): Input<T> {
  checkStream("input(stream, { key })", stream);
  const where = `input of stream ${show(stream.name)}`;
  if (typeof options === "function") throw new ConfigError(`${where}: give the key extractor by name: input(stream, { key: (value) => ... })`);
  checkOptions(where, options, ["key", "where", "name", "renamedFrom"]);
  if (typeof options?.key !== "function") {
    throw new ConfigError(`${where}: key is a function that gives a value's key, as in { key: (value) => value.id }, but it is ${show(options?.key)}`);
  }
  if (options.where !== undefined && typeof options.where !== "function") {
    throw new ConfigError(`${where}: where is a function that says of a value whether it is for this input, but it is ${show(options.where)}`);
  }
  const name = options.name ?? stream.name;
  checkName(where, name);
  const renamedFrom = checkRenamedFrom(where, name, options.renamedFrom);
  const handle = { [HANDLE]: true, kind: "input", name, stream, key: options.key, where: options.where, renamedFrom };
  return Object.freeze(handle) as unknown as Input<T>;
}
