/** Requests of operators that are passed on, and answers that are another worker's. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { RequestError } from "../inspect/request-error.ts";
import { indexOf, participantOf, type ShardRef } from "../key.ts";
import type { Worker } from "../worker/worker.ts";
import type { Forwarder } from "./forwarder.ts";
import { NOT_OWNER, type PeerAnswer } from "./peer-call.ts";

/** The answer of another worker, as it gave it. */
export function passOn(reply: FastifyReply, { status, retryAfter, body }: PeerAnswer): FastifyReply {
  if (retryAfter !== undefined) void reply.header("retry-after", retryAfter);
  return reply.code(status).type("application/json; charset=utf-8").send(body);
}

/** The answer of the worker that owns a computation's shard; undefined: this one does by now. `unknown`: what to do where it is not known. */
export async function askOwner(
  forwarder: Forwarder,
  { engine }: Worker,
  { shard, unknown }: { readonly shard: ShardRef; readonly unknown: string },
  { raw, method }: FastifyRequest,
): Promise<PeerAnswer | undefined> {
  if (forwarder.peers.isForwarded(raw.headers)) throw new RequestError(503, NOT_OWNER, "the worker does not own its shard");
  const participant = engine.participant(participantOf(shard))?.name ?? "";
  const wanted = { shard, what: `shard ${indexOf(shard)} of ${participant}`, here: () => engine.computation(shard) !== undefined };
  return await forwarder.ask(wanted, { method: method === "POST" ? "POST" : "DELETE", path: raw.url ?? "/", rawHeaders: [] }, unknown);
}
