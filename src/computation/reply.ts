/**
 * Replies: the productions to a stream, kept by the id of the request that they answer, so that whoever has put a record
 * in can read what came of it, and a repeated request is given the same. A system computation and its one cell.
 */
import type { StreamRecord } from "../record.ts";
import { cbor } from "./cbor-codec.ts";
import { Computation } from "./computation.ts";
import type { Context } from "./context.ts";
import { sealValue } from "./envelope.ts";
import { type Input, input } from "./input.ts";
import { type StateCell, state, type Value } from "./state.ts";
import type { Stream, StreamHandle } from "./stream.ts";

export interface ReplyOptions<T> {
  /** The id of the record that this value answers, as its handler saw it (`record.id`) and passed it on in the value. */
  readonly to: (value: T) => string;
  /** ms that replies are kept after the last one to the same id. Default: 1 hour. */
  readonly keep?: number | undefined;
}

/** What the graph says of one. */
export interface ReplySettings {
  readonly name: string;
  readonly stream: StreamHandle;
}

/** As it is stored: `value` is sealed by the stream's codec. */
export interface StoredReply {
  readonly id: string;
  readonly timestamp: number;
  readonly value: Uint8Array;
}

export class ReplyBook extends Computation {
  readonly answers: Input<any>;
  readonly replies: StateCell<Value<readonly StoredReply[]>>;
  readonly #stream: StreamHandle;

  constructor(stream: StreamHandle, to: (value: any) => string, keep: number) {
    super();
    this.#stream = stream;
    this.answers = input(stream as unknown as Stream<any>, { key: to });
    this.replies = state<readonly StoredReply[]>("replies", { initial: [], ttl: keep, codec: cbor() });
  }

  override processRecord({ id, timestamp, value }: StreamRecord<unknown>, context: Context): void {
    const replies = context.state(this.replies);
    replies.set([...replies.get(), { id, timestamp, value: sealValue(this.#stream.codec, value) }]);
  }
}
