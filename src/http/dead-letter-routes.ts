/** The routes by which operators have dead letters tried again, or discard them. */
import type { FastifyInstance } from "fastify";
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

/** What letters are called that the runner of an effect keeps. */
const KEPT_BY_RUNNER = "job:";

const LETTER = {
  ...OPERATING,
  path: { participant: { about: "Whose letter it is." }, letter: { about: "Its name among those of its participant, as /v1/dead-letters lists it." } },
  answer: "LetterView",
  statuses: { 404: "There is no such letter, or no longer.", 409: "It cannot be, or another worker has its shard.", 503: "Not committed yet." },
};

const SHOW: RouteAbout = {
  ...LETTER,
  ...READING,
  about: "A dead letter with its value.",
  answer: "WholeLetterView",
  statuses: { 404: "There is no such letter, or no longer; or what performs the effect keeps it." },
};

interface LetterRoute {
  readonly Params: { readonly participant: string; readonly letter: string };
}

export function addDeadLetterRoutes(server: FastifyInstance, worker: Worker, store: PipelineStore, clock: Clock): void {
  const letters = new DeadLetters(worker, store, clock);
  const act = async (action: LetterAction, { participant, letter }: LetterRoute["Params"]): Promise<LetterView> => {
    const planned = named(worker, participant);
    if (letter.startsWith(KEPT_BY_RUNNER)) await actOnJob(action, worker, planned, letter.slice(KEPT_BY_RUNNER.length));
    else {
      const parsed = parseLetterName(planned, letter);
      check(letter, parsed === undefined ? { kind: "absent" } : await letters.act(action, parsed));
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
  server.post<LetterRoute>("/v1/dead-letters/:participant/:letter/retry", retry, async ({ params }) => act("retry", params));
  server.delete<LetterRoute>("/v1/dead-letters/:participant/:letter", discard, async ({ params }) => act("discard", params));
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
      throw new RequestError(409, "elsewhere", "another worker has its shard: ask that one");
    case "refused":
      throw new RequestError(409, "refused", outcome.reason);
    case "unknown":
      throw new RequestError(503, "unknown", "the worker has not committed it yet; look whether it is still listed");
  }
}
