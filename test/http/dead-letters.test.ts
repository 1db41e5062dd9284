/** Dead letters over HTTP: listed, tried again, discarded; those of effects too. */
import { describe, expect, test } from "vitest";
import {
  Computation,
  type Context,
  type EffectResult,
  exponential,
  fromHttp,
  input,
  MemoryStore,
  output,
  Pipeline,
  stream,
  type StreamRecord,
} from "../../src/index.ts";
import { JSON_TYPE, MASTER, POLL, Posting } from "./posting.ts";

interface Job {
  readonly key: string;
}
const jobs = stream<Job>("jobs");
const calls = stream<Job>("calls");
const called = stream<EffectResult<Job, string>>("called");
const broken = { handler: true, webhook: true };
const done: string[] = [];

class Worker extends Computation {
  readonly jobs = input(jobs, { key: ({ key }) => key });
  readonly calls = output(calls);
  override processRecord({ value }: StreamRecord<Job>, context: Context): void {
    if (broken.handler && value.key.startsWith("bad")) throw new Error("the handler is broken");
    context.produce(this.calls, value);
  }
}

async function start(): Promise<Posting> {
  broken.handler = true;
  broken.webhook = true;
  done.length = 0;
  const pipeline = new Pipeline("letters", { shards: 2 })
    .inject("in", jobs, fromHttp<Job>())
    .compute("worker", Worker, { attempts: 1 })
    .effect(
      "webhook",
      calls,
      ({ value }, { idempotencyKey }) => {
        if (broken.webhook) throw new Error("the webhook is down");
        done.push(`${value.key} ${idempotencyKey}`);
        return "ok";
      },
      { attempts: 2, backoff: exponential(1, 1), results: called },
    );
  return await Posting.start(pipeline, new MemoryStore(), [MASTER]);
}
const post = (posting: Posting, key: string) => posting.post(JSON.stringify({ key }), JSON_TYPE, "?wait=effects", "jobs");
const letters = async (posting: Posting, participant: string) => (await posting.get(`/v1/dead-letters?participant=${participant}`)).json.deadLetters;
const act = (posting: Posting, method: string, path: string, headers = {}) => posting.ask(method, `/v1/dead-letters/${path}`, headers);

describe("a dead letter", () => {
  test("is tried again by its name, and is one no longer", async () => {
    const posting = await start();
    await post(posting, "bad-1");
    const [letter] = await letters(posting, "worker");
    expect(letter).toMatchObject({ participant: "worker", key: "bad-1", reason: "the handler is broken", attempts: 1 });
    broken.handler = false;
    broken.webhook = false;
    const answer = await act(posting, "POST", `worker/${letter.letter}/retry`);
    expect([answer.status, answer.json]).toEqual([200, { participant: "worker", letter: letter.letter, outcome: "tried again" }]);
    await expect.poll(() => done.length, POLL).toBe(1);
    expect(await letters(posting, "worker")).toEqual([]);
    expect((await act(posting, "POST", `worker/${letter.letter}/retry`)).status).toBe(404);
  });

  test("of an effect is tried again under the same key", async () => {
    const posting = await start();
    await post(posting, "good");
    await expect.poll(async () => (await letters(posting, "webhook")).length, POLL).toBe(1);
    const [letter] = await letters(posting, "webhook");
    expect(letter).toMatchObject({ reason: "the webhook is down", attempts: 2 });
    broken.webhook = false;
    expect((await act(posting, "POST", `webhook/${letter.letter}/retry`)).status).toBe(200);
    await expect.poll(() => done, POLL).toEqual([`good letters/webhook/${letter.id}`]);
  });

  test("is discarded by its name", async () => {
    const posting = await start();
    await post(posting, "bad-2");
    const [letter] = await letters(posting, "worker");
    expect((await act(posting, "DELETE", `worker/${letter.letter}`)).json).toMatchObject({ outcome: "discarded" });
    expect(await letters(posting, "worker")).toEqual([]);
  });
});

test.each<[string, string, number]>([
  ["POST", "worker/0.99/retry", 404],
  ["POST", "worker/9.0/retry", 404],
  ["POST", "worker/x/retry", 404],
  ["POST", "nobody/0.0/retry", 404],
  ["POST", "in/0.0/retry", 409],
  ["POST", "webhook/job:nothing/retry", 404],
  ["DELETE", "webhook/job:nothing", 409],
  ["GET", "worker/0.0/retry", 405],
  ["DELETE", "worker/0.0/retry", 405],
  ["POST", "worker/0.0", 405],
])("%s of %s is answered %i", async (method, path, status) => {
  const posting = await start();
  expect((await act(posting, method, path)).status).toBe(status);
});

test("a page of another origin may not do it", async () => {
  const posting = await start();
  expect((await act(posting, "POST", "worker/0.0/retry", { origin: "http://elsewhere.example" })).status).toBe(403);
});
