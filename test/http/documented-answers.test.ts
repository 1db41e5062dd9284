/**
 * The JSON that docs/http.md shows is what the endpoint answers: the same names, and values of the same types. `"..."` stands
 * for what is left out. Elements of a list that is empty here are not compared.
 */
import { expect, onTestFinished, test } from "vitest";
import {
  Computation,
  type Context,
  fromHttp,
  input,
  MemoryStore,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
  trailingClock,
} from "../../src/index.ts";
import type { WatermarksView } from "../../src/inspect/views.ts";
import { documentText } from "../repo/document-tables.ts";
import { Gate } from "./gate.ts";
import { JSON_TYPE, MASTER, POLL, Posting } from "./posting.ts";

const orders = stream<{ readonly id: string }>("orders");
const receipts = stream<{ readonly requestId: string }>("receipts");
const closing = new Gate();

class Windower extends Computation {
  readonly orders = input(orders, { key: ({ id }) => id });
  readonly receipts = output(receipts);
  readonly counts = state("counts", { initial: new Map<number, number>() });
  readonly closing = timers<number>("closing");
  override processRecord({ id, timestamp }: StreamRecord<{ readonly id: string }>, context: Context): void {
    context.state(this.counts).update((counts) => counts.set(timestamp, 1));
    context.produce(this.receipts, { requestId: id });
    context.setTimer(this.closing.for(timestamp), timestamp);
  }
  override async processTimer(_timer: Timer<number>): Promise<void> {
    await closing.pass();
  }
}

/** The blocks of JSON under a heading, in their order. */
function shownUnder(heading: string): unknown[] {
  const section = documentText("docs/http.md")
    .split(/^## /m)
    .find((each) => each.startsWith(`${heading}\n`));
  return [...(section ?? "").matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => JSON.parse(text) as unknown);
}

/** Where what is shown differs from what is there; none: nowhere. */
function differences(shown: unknown, real: unknown, place: string): string[] {
  // A time that is none, a watermark that is not known: null on either side.
  if (shown === null || real === null || shown === "...") return [];
  if (Array.isArray(shown) || Array.isArray(real)) {
    if (!Array.isArray(shown) || !Array.isArray(real)) return [`${place} is a list on one side`];
    return real.length === 0 ? [] : shown.flatMap((each, at) => differences(each, real[Math.min(at, real.length - 1)], `${place}[${at}]`));
  }
  if (typeof shown !== typeof real) return [`${place} is shown as ${typeof shown} and is ${typeof real}`];
  if (typeof shown !== "object") return [];
  const [left, right] = [shown as Record<string, unknown>, real as Record<string, unknown>];
  const names = Object.keys(left).filter((name) => name !== "...");
  const more = "..." in left ? [] : Object.keys(right).filter((name) => !names.includes(name));
  return [
    ...more.map((name) => `${place}.${name} is there and not shown`),
    ...names.flatMap((name) => (name in right ? differences(left[name], right[name], `${place}.${name}`) : [`${place}.${name} is shown and not there`])),
  ];
}

test("each answer that docs/http.md shows has the names and types of the real one", async () => {
  closing.shut();
  const pipeline = new Pipeline("zeitgeist", { shards: 2 })
    .inject("in", orders, fromHttp({ watermark: trailingClock(0) }))
    .compute("windower", Windower)
    .reply("receipts", receipts, { to: ({ requestId }) => requestId });
  const posting = await Posting.start(pipeline, new MemoryStore(), [MASTER]);
  // Before the worker is stopped, which waits for its calls.
  onTestFinished(() => closing.open());
  const get = async (path: string) => (await posting.get(path)).json as unknown;
  const post = async (key: string, query = "") =>
    (await posting.post('{"id":"weather"}', { ...JSON_TYPE, "idempotency-key": key }, query, "orders")).json as unknown;

  const [plain] = shownUnder("POST /v1/streams/:stream/records");
  expect(differences(plain, await post("order-17"), "a post")).toEqual([]);
  const [followed] = shownUnder("Replies");
  await expect.poll(async () => differences(followed, await post("order-18", "?wait=effects"), "a post that waits"), POLL).toEqual([]);
  const [stored] = shownUnder("State");
  expect(differences(stored, await get("/v1/computations/windower/state/weather"), "state")).toEqual([]);
  const [workers] = shownUnder("/v1/workers");
  await expect.poll(async () => differences(workers, await get("/v1/workers"), "workers"), POLL).toEqual([]);
  const [lost] = shownUnder("/v1/lost-tails");
  expect(differences(lost, await get("/v1/lost-tails"), "lost tails")).toEqual([]);

  const [watermarks] = shownUnder("/v1/watermarks");
  const look = async () => {
    const { participants, ...rest } = (await get("/v1/watermarks")) as WatermarksView;
    const windower = participants.filter(({ name, heldBy }) => name === "windower" && heldBy?.kind === "running");
    return windower.length === 0 ? "no call is running yet" : differences(watermarks, { ...rest, participants: windower }, "watermarks");
  };
  await expect.poll(look, POLL).toEqual([]);
});
