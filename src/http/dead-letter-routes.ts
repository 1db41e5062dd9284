/** The routes by which operators have dead letters tried again, or discard them. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { participantOf } from "../inspect/inspection.ts";
import { letterOf } from "../inspect/letter-view.ts";
import { RequestError } from "../inspect/request-error.ts";
import type { LetterView, WholeLetterView } from "../inspect/views.ts";
import type { PipelineStore } from "../store/store.ts";
import type { Clock } from "../clock.ts";
import { DeadLetters, type LetterAction, type LetterOutcome, parseLetterName } from "../worker/dead-letters.ts";
import type { PlannedParticipant } from "../worker/plan.ts";
import type { Worker } from "../worker/worker.ts";
import { described, OPERATING, READING, type RouteAbout } from "./described-route.ts";
import type { Forwarder } from "./forwarder.ts";
import { askOwner, passOn } from "./pass-on.ts";

/** What letters are called that the runner of an effect keeps. */
const KEPT_BY_RUNNER = "job:";

const LETTER = {
  ...OPERATING,
  amongWorkers: true,
  path: { participant: { about: "Whose letter it is." }, letter: { about: "Its name among those of its participant, as /v1/dead-letters lists it." } },
  answer: "LetterView",
  statuses: { 404: "There is no such letter, or no longer.", 409: "It cannot be.", 503: "Not committed yet, or its shard has no owner that can be reached." },
};

const SHOW: RouteAbout = {
  ...LETTER,
  ...READING,
  amongWorkers: false,
  about: "A dead letter with its value.",
  answer: "WholeLetterView",
  statuses: { 404: "There is no such letter, or no longer; or what performs the effect keeps it." },
};

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
        const answer = await askOwner(forwarder, worker, { shard: parsed.shard, unknown: "look whether it is still listed" }, request);
        if (answer !== undefined) return passOn(reply, answer);
      }
      check(letter, outcome);
    }
    return { participant, letter, outcome: action === "retry" ? "tried again" : "discarded" };
  };
  const retry = described({ ...LETTER, about: "Has a dead letter tried again, from its first attempt." });
  const discard = described({ ...LETTER, about: "Discards a dead letter." });
  server.get<LetterRoute>("/v1/dead-letters/:participant/:letter", described(SHOW), async ({ params }): Promise<WholeLetterView> => {
    const found = await letterOf(store, participantOf(worker, params.participant), params.letter);
    if (found === undefined) throw absent(params.letter);
    return found;
  });
  server.post<LetterRoute>("/v1/dead-letters/:participant/:letter/retry", retry, async (request, reply) => act("retry", request, reply));
  server.delete<LetterRoute>("/v1/dead-letters/:participant/:letter", discard, async (request, reply) => act("discard", request, reply));
}

function named(worker: Worker, name: string): PlannedParticipant {
  const planned = participantOf(worker, name);
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

function absent(letter: string): RequestError {
  return new RequestError(404, "not-found", `there is no dead letter ${JSON.stringify(letter)}: it may have been tried again or discarded`);
}

function check(letter: string, outcome: LetterOutcome): void {
  switch (outcome.kind) {
    case "done":
      return;
    case "absent":
      throw absent(letter);
    case "elsewhere":
      throw new RequestError(409, "elsewhere", "its shard has no owner at this moment: ask again");
    case "refused":
      throw new RequestError(409, "refused", outcome.reason);
    case "unknown":
      throw new RequestError(503, "unknown", "the worker has not committed it yet; look whether it is still listed");
  }
}
