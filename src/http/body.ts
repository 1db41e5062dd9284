/**
 * The bytes of a request as they arrive: read at the pace of whoever takes them, and given up when they do not come.
 *
 * B1  A body that is not read to its end does not end the connection before the answer is out: the rest is read and
 *     thrown away for a short while, since a client that is cut off while it sends may never see why.
 */
import type { IncomingMessage } from "node:http";
import type { Clock } from "../clock.ts";
import { WakeUp } from "../injectors/wake-up.ts";
import { RequestError } from "../inspect/request-error.ts";
import { GrowingBytes } from "./growing-bytes.ts";

/** ms that the rest of a body is read after the answer. */
const LINGER = 5_000;

export class Body {
  readonly #stream: IncomingMessage;
  readonly #clock: Clock;
  readonly #wakeUp = new WakeUp();
  #read: Uint8Array | undefined;

  constructor(stream: IncomingMessage, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
    for (const event of ["readable", "end", "close", "error"]) stream.on(event, this.#wakeUp.wake);
    // Whoever waits for the body's own reasons may be silent for longer than a connection may.
    stream.socket.setTimeout(0);
  }

  /** The next bytes; undefined: the end. RequestError where none come until `until`, or the client has gone. */
  async next(until: number): Promise<Uint8Array | undefined> {
    let late = false;
    const cancel = this.#clock.after(until - this.#clock.now(), () => {
      late = true;
      this.#wakeUp.wake();
    });
    try {
      for (;;) {
        const chunk: unknown = this.#stream.read();
        if (chunk instanceof Uint8Array) return chunk;
        if (this.#stream.readableEnded) return undefined;
        if (this.#stream.destroyed) throw new RequestError(400, "disconnected", "the client has gone before the end of its request");
        if (late)
          throw new RequestError(408, "timeout", "the body does not come on: send records without long pauses between them, or in requests of their own");
        await this.#wakeUp.wait();
      }
    } finally {
      cancel();
    }
  }

  /** Everything, in at most `patience` ms, also when it is asked for again. RequestError as well where it is more than `most` bytes. */
  async whole(most: number, patience: number): Promise<Uint8Array> {
    return (this.#read ??= await this.#readWhole(most, patience));
  }

  async #readWhole(most: number, patience: number): Promise<Uint8Array> {
    const tooLarge = () => new RequestError(413, "too-large", `the body is more than ${most} bytes: send fewer records at once, or as application/x-ndjson`);
    if (Number(this.#stream.headers["content-length"] ?? 0) > most) throw tooLarge();
    const until = this.#clock.now() + patience;
    const bytes = new GrowingBytes(most);
    for (let chunk = await this.next(until); chunk !== undefined; chunk = await this.next(until)) if (!bytes.add(chunk)) throw tooLarge();
    return bytes.take();
  }

  /** Lets go of the request, whose answer is on its way. */
  release(): void {
    const stream = this.#stream;
    for (const event of ["readable", "end", "close"]) stream.off(event, this.#wakeUp.wake);
    if (stream.readableEnded || stream.destroyed) return;
    const cancel = this.#clock.after(LINGER, () => stream.destroy());
    stream.once("close", cancel);
    stream.once("end", cancel);
    stream.resume();
  }
}
