/** The routes by which operators have timers moved, fired before their time, or deleted. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../clock.ts";
import { computationOf, queryOf } from "../inspect/inspection.ts";
import { RequestError } from "../inspect/request-error.ts";
import type { TimerOutcomeView } from "../inspect/views.ts";
import { shardOf, shardRef } from "../key.ts";
import type { TimerAction } from "../worker/computation-operated.ts";
import { OperatedTimers, parseTimerName, type TimerOutcome } from "../worker/operated-timers.ts";
import type { PipelineStore } from "../store/store.ts";
import type { Worker } from "../worker/worker.ts";
import { described, OPERATING, parametersOf, type RouteAbout } from "./described-route.ts";
import type { Forwarder } from "./forwarder.ts";
import { askOwner, passOn } from "./pass-on.ts";

const TIME = { about: "The time that it is set for, as it was listed: if it is not any more, nothing is done.", type: "integer", required: true } as const;
const TIMER = {
  ...OPERATING,
  amongWorkers: true,
  path: { computation: { about: "Whose timer it is." }, timer: { about: "Its name, as /v1/timers lists it." } },
  answer: "TimerOutcomeView",
  statuses: {
    404: "There is no such timer, or it is not set for that time any more.",
    409: "It cannot be.",
    503: "`busy`, `not-open`: nothing was done. `unknown`: it may be.",
  },
};
const MOVE: RouteAbout = {
  ...TIMER,
  about: "Moves a timer to another time.",
  query: { time: TIME, to: { about: "The new time, ms since the epoch; of an event timer not before the watermark.", type: "integer", required: true } },
};
const FIRE: RouteAbout = { ...TIMER, about: "Fires a timer now, before its time. Its handler sees the time that it was set for.", query: { time: TIME } };
const DELETE: RouteAbout = { ...TIMER, about: "Deletes a timer.", query: { time: TIME } };

const OUTCOMES = { move: "moved", fire: "fired", delete: "deleted" } as const;

interface TimerRoute {
  readonly Params: { readonly computation: string; readonly timer: string };
}

export interface TimerRouteOptions {
  readonly worker: Worker;
  readonly store: PipelineStore;
  readonly clock: Clock;
  readonly forwarder: Forwarder;
}

export function addTimerRoutes(server: FastifyInstance, { worker, store, clock, forwarder }: TimerRouteOptions): void {
  const timers = new OperatedTimers(worker, clock);
  const act = async (action: TimerAction, time: number, request: FastifyRequest<TimerRoute>, reply: FastifyReply): Promise<TimerOutcomeView | FastifyReply> => {
    const { computation, timer } = request.params;
    const planned = computationOf(worker, computation);
    const named = parseTimerName(planned, timer);
    let outcome: TimerOutcome = { kind: "absent" };
    // Whoever owns the shard acts: this worker, or another, which may change until one has.
    while (named !== undefined) {
      outcome = await timers.act(action, planned, named, time);
      if (outcome.kind !== "elsewhere" || store.exclusive) break;
      const shard = shardRef(planned.id, shardOf(named.address.key, planned.shards));
      const answer = await askOwner(forwarder, worker, { shard, unknown: "look whether the timer is as it was" }, request);
      if (answer !== undefined) return passOn(reply, answer);
    }
    check(outcome);
    return { computation, timer, outcome: OUTCOMES[action.kind] };
  };
  server.post<TimerRoute>("/v1/timers/:computation/:timer/move", described(MOVE), async (request, reply) => {
    const asked = queryOf(request.query, parametersOf(MOVE));
    return act({ kind: "move", to: timeOf(asked, "to") }, timeOf(asked, "time"), request, reply);
  });
  server.post<TimerRoute>("/v1/timers/:computation/:timer/fire", described(FIRE), async (request, reply) =>
    act({ kind: "fire" }, timeOf(queryOf(request.query, parametersOf(FIRE)), "time"), request, reply),
  );
  server.delete<TimerRoute>("/v1/timers/:computation/:timer", described(DELETE), async (request, reply) =>
    act({ kind: "delete" }, timeOf(queryOf(request.query, parametersOf(DELETE)), "time"), request, reply),
  );
}

function timeOf(query: ReadonlyMap<string, string>, name: string): number {
  const text = query.get(name) ?? "";
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw new RequestError(400, "bad-request", `${name} is needed: integer ms since the epoch`);
  return Number(text);
}

function check(outcome: TimerOutcome): void {
  switch (outcome.kind) {
    case "done":
      return;
    case "absent":
      throw new RequestError(404, "not-found", "there is no such timer set for that time: it may have fired, been moved or been deleted");
    case "elsewhere":
      throw new RequestError(409, "elsewhere", "its shard has no owner at this moment: ask again");
    case "refused":
      throw new RequestError(409, "refused", outcome.reason);
    case "busy":
      throw new RequestError(503, "busy", "work of its key goes before it and takes long; nothing was done, ask again");
    case "unknown":
      throw new RequestError(503, "unknown", "the worker has not committed it yet; look whether the timer is as it was");
  }
}
