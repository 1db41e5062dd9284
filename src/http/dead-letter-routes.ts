/** The routes by which operators have dead letters tried again, or discard them. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { RequestError } from "../inspect/request-error.ts";
import type { LetterView } from "../inspect/views.ts";
import type { PipelineStore } from "../store/store.ts";
import type { Clock } from "../clock.ts";
import { indexOf, participantOf, type ShardRef } from "../key.ts";
import { DeadLetters, type LetterAction, type LetterOutcome, parseLetterName } from "../worker/dead-letters.ts";
import type { PlannedParticipant } from "../worker/plan.ts";
import type { Worker } from "../worker/worker.ts";
import type { Forwarder } from "./forwarder.ts";
import { passOn } from "./ingestion-routes.ts";
import { NOT_OWNER, type PeerAnswer } from "./peer-call.ts";

export const DEAD_LETTER_ROUTES = ["POST /v1/dead-letters/:participant/:letter/retry", "DELETE /v1/dead-letters/:participant/:letter"];

/** What letters are called that the runner of an effect keeps. */
const KEPT_BY_RUNNER = "job:";

/** The method by which a URL of these routes is asked; undefined: it is none of them. */
export function letterMethod(url: string): "POST" | "DELETE" | undefined {
  if (/^\/v1\/dead-letters\/[^/?]+\/[^/?]+\/retry(\?|$)/.test(url)) return "POST";
  return /^\/v1\/dead-letters\/[^/?]+\/[^/?]+(\?|$)/.test(url) ? "DELETE" : undefined;
}

interface LetterRoute {
  readonly Params: { readonly participant: string; readonly letter: string };
}

export interface DeadLetterOptions {
  readonly worker: Worker;
  readonly store: PipelineStore;
  readonly clock: Clock;
  readonly forwarder: Forwarder;
}

export function addDeadLetterRoutes(server: FastifyInstance, { worker, store, clock, forwarder }: DeadLetterOptions): void {
  const letters = new DeadLetters(worker, store, clock);
  const act = async (action: LetterAction, request: FastifyRequest<LetterRoute>, reply: FastifyReply): Promise<LetterView | FastifyReply> => {
    const { participant, letter } = request.params;
    const planned = named(worker, participant);
    if (letter.startsWith(KEPT_BY_RUNNER)) await actOnJob(action, worker, planned, letter.slice(KEPT_BY_RUNNER.length));
    else {
      const parsed = parseLetterName(planned, letter);
      let outcome: LetterOutcome = { kind: "absent" };
      // Whoever owns the shard acts: this worker, or another, which may change until one has.
      while (parsed !== undefined) {
        outcome = await letters.act(action, parsed);
        if (outcome.kind !== "elsewhere" || store.exclusive) break;
        const answer = await elsewhere(forwarder, worker, parsed.shard, request);
        if (answer !== undefined) return passOn(reply, answer);
      }
      check(letter, outcome);
    }
    return { participant, letter, outcome: action === "retry" ? "tried again" : "discarded" };
  };
  server.post<LetterRoute>("/v1/dead-letters/:participant/:letter/retry", async (request, reply) => act("retry", request, reply));
  server.delete<LetterRoute>("/v1/dead-letters/:participant/:letter", async (request, reply) => act("discard", request, reply));
}

/** The answer of the worker that owns the shard; undefined: this one does by now. */
async function elsewhere(forwarder: Forwarder, worker: Worker, shard: ShardRef, { raw, method }: FastifyRequest): Promise<PeerAnswer | undefined> {
  if (forwarder.peers.isForwarded(raw.headers)) throw new RequestError(503, NOT_OWNER, "the worker does not own its shard");
  const { engine } = worker;
  const participant = engine.participant(participantOf(shard))?.name ?? "";
  const wanted = { shard, what: `shard ${indexOf(shard)} of ${participant}`, here: () => engine.computation(shard) !== undefined };
  const path = raw.url ?? "/";
  return await forwarder.ask(wanted, { method: method === "POST" ? "POST" : "DELETE", path, rawHeaders: [] }, "look whether it is still listed");
}

function named(worker: Worker, name: string): PlannedParticipant {
  const { participants } = worker.engine.options.plan;
  const planned = participants.find((participant) => participant.name === name);
  if (planned === undefined)
    throw new RequestError(404, "not-found", `the pipeline has no participant of this name; it has ${participants.map((each) => each.name).join(", ")}`);
  if (planned.kind === "computation") return planned;
  throw new RequestError(
    409,
    "refused",
    `dead letters of ${planned.kind === "injector" ? "an injector" : "a sink"} cannot be tried again here: send the records anew`,
  );
}

async function actOnJob(action: LetterAction, worker: Worker, planned: PlannedParticipant, id: string): Promise<void> {
  if (action === "discard") throw new RequestError(409, "refused", "it is a failed job: remove it where the job is kept");
  if (!(await worker.runner?.retry?.(planned.name, id))) check(id, { kind: "absent" });
}

function check(letter: string, outcome: LetterOutcome): void {
  switch (outcome.kind) {
    case "done":
      return;
    case "absent":
      throw new RequestError(404, "not-found", `there is no dead letter ${JSON.stringify(letter)}: it may have been tried again or discarded`);
    case "elsewhere":
      throw new RequestError(409, "elsewhere", "its shard has no owner at this moment: ask again");
    case "refused":
      throw new RequestError(409, "refused", outcome.reason);
    case "unknown":
      throw new RequestError(503, "unknown", "the worker has not committed it yet; look whether it is still listed");
  }
}
