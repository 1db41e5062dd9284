/** Where on its way to Redis a call is when its process is struck: in the middle of its bytes, behind them, or behind what Redis made of it. */
import { Socket } from "node:net";

/** `half`: of its bytes are on the line; `sent`: all are; `applied`: and Redis has had the time to answer, which nobody here has read. */
export type OnTheLine = "half" | "sent" | "applied";

/** ms in which Redis carries a call out, while this process does nothing. */
const CARRIED_OUT = 25;

/** Waits for the write that holds this text, and strikes there. */
export function onTheLine(text: string, where: OnTheLine, strike: () => void): void {
  type Write = (this: Socket, ...args: unknown[]) => boolean;
  const write = Socket.prototype.write as Write;
  const striking: Write = function (chunk, ...rest) {
    if (!(chunk instanceof Uint8Array) || !Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).includes(text)) return write.call(this, chunk, ...rest);
    Object.assign(Socket.prototype, { write });
    const half = where === "half" ? chunk.length >> 1 : chunk.length;
    write.call(this, chunk.subarray(0, half));
    if (where === "applied") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, CARRIED_OUT);
    strike();
    // It was only stopped, and goes on.
    return write.call(this, chunk.subarray(half), ...rest);
  };
  Object.assign(Socket.prototype, { write: striking });
}
