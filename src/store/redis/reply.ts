/**
 * Replies of the server as the types they are known to have. A reply of another shape is a bug of ours or a server
 * that is not what it says, and stops the worker.
 */
import { Buffer } from "node:buffer";
import { invariant } from "../../errors.ts";

export function asText(reply: unknown): string {
  invariant(reply instanceof Uint8Array, `Redis answered ${describe(reply)} where text was expected`);
  return Buffer.from(reply.buffer, reply.byteOffset, reply.length).toString();
}

/** An integer reply, or one as text. */
export function asNumber(reply: unknown): number {
  if (typeof reply === "number") return reply;
  const number = Number(asText(reply));
  invariant(!Number.isNaN(number), `Redis answered ${describe(reply)} where a number was expected`);
  return number;
}

export function asList(reply: unknown): readonly unknown[] {
  invariant(Array.isArray(reply), `Redis answered ${describe(reply)} where a list was expected`);
  return reply;
}

/** Bytes, or undefined where there are none. */
export function asBytes(reply: unknown): Uint8Array | undefined {
  if (reply === null) return undefined;
  invariant(reply instanceof Uint8Array, `Redis answered ${describe(reply)} where bytes were expected`);
  return reply;
}

function describe(reply: unknown): string {
  return reply instanceof Uint8Array ? `${reply.length} bytes` : Array.isArray(reply) ? `a list of ${reply.length}` : String(reply);
}
