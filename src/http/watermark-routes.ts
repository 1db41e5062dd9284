/**
 * The routes of watermarks: as they are now, and as a stream of server-sent events for who asks for `text/event-stream`.
 *
 * E1  An event is written when something has changed, at most every `EVERY` ms; it has all of them, so one that is missed
 *     is made good by the next.
 * E2  A client that reads slower than that misses events and makes nothing wait; one that takes none for `STUCK` ms is cut off.
 * E3  At most HTTP_WATCHERS clients watch at once.
 */
import type { ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import type { Clock } from "../clock.ts";
import type { Inspection } from "../inspect/inspection.ts";
import { RequestError } from "../inspect/request-error.ts";
import type { ParticipantShardsView, WatermarksView } from "../inspect/views.ts";
import { HTTP_WATCHERS } from "../limits.ts";
import { described, LOOKING, type RouteAbout } from "./described-route.ts";

const EVENTS = "text/event-stream";
/** ms between two looks; without an event for so long, a comment says that the connection lives; without a read, it does not. */
const EVERY = 250;
const QUIET = 5_000;
const STUCK = 30_000;

const ALL: RouteAbout = {
  ...LOOKING,
  about: `Watermarks of all participants and what holds them. With "Accept: ${EVENTS}": as server-sent events, whenever they change.`,
  answer: "WatermarksView",
  statuses: { 503: "As many clients watch as may." },
};
const ONE: RouteAbout = {
  ...LOOKING,
  about: "The same for one participant, and for each of its shards.",
  path: { participant: { about: "The participant." } },
  answer: "ParticipantShardsView",
};

export function addWatermarkRoutes(server: FastifyInstance, inspection: Inspection, clock: Clock): void {
  const watchers = new Set<ServerResponse>();
  server.get("/v1/watermarks", described(ALL), async ({ headers }, reply): Promise<WatermarksView | undefined> => {
    if (!accepts(headers.accept)) return inspection.watermarks();
    if (watchers.size >= HTTP_WATCHERS) throw new RequestError(503, "too-many", `${HTTP_WATCHERS} clients watch already: ask without Accept: ${EVENTS}`);
    const sent = Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]));
    reply.hijack();
    reply.raw.writeHead(200, { ...sent, "content-type": EVENTS, connection: "close" });
    watch(reply.raw, inspection, clock, watchers);
    return undefined;
  });
  server.get<{ Params: { participant: string } }>(
    "/v1/watermarks/:participant",
    described(ONE),
    async ({ params }): Promise<ParticipantShardsView> => inspection.shardWatermarks(params.participant),
  );
}

const accepts = (accept: string | undefined): boolean => (accept ?? "").split(",").some((type) => type.split(";")[0]?.trim() === EVENTS);

function watch(response: ServerResponse, inspection: Inspection, clock: Clock, watchers: Set<ServerResponse>): void {
  watchers.add(response);
  let last = "";
  let written = clock.now();
  let cancel = (): void => {};
  const look = (): void => {
    cancel = clock.after(EVERY, look);
    const now = clock.now();
    if (response.writableNeedDrain) {
      if (now - written > STUCK) response.destroy();
      return;
    }
    const view = inspection.watermarks();
    // Without what changes because time passes.
    const text = JSON.stringify(view.participants.map((each) => ({ ...each, lag: null, heldBy: each.heldBy && { ...each.heldBy, text: "" } })));
    if (text === last && now - written < QUIET) return;
    response.write(text === last ? ": unchanged\n\n" : `event: watermarks\ndata: ${JSON.stringify(view)}\n\n`);
    last = text;
    written = now;
  };
  response.once("close", () => {
    cancel();
    watchers.delete(response);
  });
  response.on("error", () => {});
  look();
}
