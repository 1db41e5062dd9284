/** Outputs: the streams that a computation produces to. */
import { type carries, HANDLE } from "./handle.ts";
import { checkStream, type Stream, type StreamHandle } from "./stream.ts";

/** A stream that a computation produces to. A field of its class: `readonly totals = output(totals)`. */
export interface Output<T> {
  readonly kind: "output";
  readonly [carries]: (value: T) => void;
}

/** What an output holds, for the graph and the engine. */
export interface OutputHandle extends Output<any> {
  readonly stream: StreamHandle;
}

/** Declares that a computation produces to `stream`. */
export function output<T>(stream: Stream<T>): Output<T> {
  checkStream("output(stream)", stream);
  return Object.freeze({ [HANDLE]: true, kind: "output", stream }) as unknown as Output<T>;
}
