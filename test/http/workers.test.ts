/** Several workers of one pipeline in one process: each answers every route, whoever owns what it asks for. */
import { describe, expect, onTestFinished, test } from "vitest";
import { Computation, type Context, fromHttp, input, MemoryStore, output, Pipeline, run, type RunningPipeline, sink, stream, timer } from "../../src/index.ts";
import type { AccessToken, StreamRecord } from "../../src/index.ts";
import { workerOf } from "../../src/run.ts";
import { Gate } from "./gate.ts";
import { type Answer, ask, bearer, JSON_TYPE, MASTER, NDJSON_TYPE, POLL } from "./posting.ts";

interface Deposit {
  readonly account: string;
  readonly amount: number;
}
const deposits = stream<Deposit>("deposits");
const answers = stream<{ readonly request: string; readonly amount: number }>("answers");

class Account extends Computation {
  readonly deposits = input(deposits, { key: ({ account }) => account });
  readonly answers = output(answers);
  readonly closing = timer("closing", { clock: "wall" });
  override processTimer(): void {}
  override processRecord({ id, value }: StreamRecord<Deposit>, context: Context): void {
    if (value.account.startsWith("bad") && !mended) throw new Error("the account is closed");
    if (value.account.startsWith("timed")) context.setTimer(this.closing, Date.now() + HOUR);
    context.produce(this.answers, { request: id, amount: value.amount });
  }
}
/** Beyond the end of any test, ms. */
const HOUR = 3_600_000;
let mended = false;
/** For what takes a while. */
const SLOW = { ...POLL, timeout: 60_000 };

/** Its sink keeps what it is given; each write waits for the gate. */
function bank(kept: StreamRecord<Deposit>[] = [], gate = new Gate()): Pipeline {
  mended = false;
  const keeper = sink<Deposit>({
    kind: "sink",
    description: "a list",
    attempts: 1,
    open: async () => ({
      write: async (records) => {
        await gate.pass();
        kept.push(...(records as StreamRecord<Deposit>[]));
        return kept.length;
      },
      close: async () => {},
    }),
  });
  return new Pipeline("bank", { shards: 8 })
    .inject("in", deposits, fromHttp<Deposit>())
    .compute("account", Account, { attempts: 1 })
    .reply("answers", answers, { to: ({ request }) => request })
    .sink("kept", deposits, keeper);
}

interface Workers {
  readonly all: readonly RunningPipeline[];
  readonly owner: RunningPipeline;
  readonly others: readonly RunningPipeline[];
}

/** Runs it in so many workers until the end of the test; each owns a share by then. */
async function started(make: () => Pipeline, count: number, tokens?: readonly AccessToken[]): Promise<Workers> {
  const store = new MemoryStore({ exclusive: false });
  const all: RunningPipeline[] = [];
  for (let i = 0; i < count; i++) all.push(await run(make(), { store, leaseMs: 5_000, http: { port: 0, tokens }, log: () => {} }));
  onTestFinished(async () => {
    for (const each of all) await each.stop();
  });
  const isSettled = () => all.every((each) => workerOf(each).engine.ownership.membership.workers.length === count && workerOf(each).engine.ownership.complete);
  await expect.poll(isSettled, POLL).toBe(true);
  await expect.poll(async () => ownerOf(all), POLL).toBeDefined();
  const owner = (await ownerOf(all)) as RunningPipeline;
  return { all, owner, others: all.filter((each) => each !== owner) };
}

async function ownerOf(all: readonly RunningPipeline[]): Promise<RunningPipeline | undefined> {
  const { streams } = (await get(all[0] as RunningPipeline, "/v1/streams", TOKEN)).json;
  return all.find((each) => workerOf(each).name === streams[0].owner);
}

/** Of one who may do all; workers that have no tokens do not look at it. */
const TOKEN = bearer(MASTER.token);
const urlOf = (running: RunningPipeline): URL => new URL(running.url ?? "");
const get = (running: RunningPipeline, path: string, headers = {}): Promise<Answer> => ask(urlOf(running), "GET", path, undefined, headers);
const post = (running: RunningPipeline, body: Parameters<typeof ask>[3], headers: Record<string, string> = JSON_TYPE, query = "") =>
  ask(urlOf(running), "POST", `/v1/streams/deposits/records${query}`, body, headers);
const deposit = (account: string, amount = 1): string => JSON.stringify({ account, amount });
const keyed = (key: string, type = JSON_TYPE) => ({ ...type, "idempotency-key": key });

describe("records posted to a worker that does not own the injector", () => {
  test("are taken, and the answer is that of the owner, in each form that a body may have", async () => {
    const kept: StreamRecord<Deposit>[] = [];
    const { others, owner } = await started(() => bank(kept), 2);
    const [other] = others as [RunningPipeline];
    const one = await post(other, deposit("a"), keyed("k1"));
    expect([one.status, one.json]).toMatchObject([200, { stream: "deposits", level: "committed", records: 1, duplicates: 0, results: [{ id: "k1" }] }]);
    expect((await post(owner, deposit("a"), keyed("k1"))).json).toMatchObject({ records: 1, duplicates: 1 });
    expect((await post(other, `[${deposit("a")},${deposit("b")}]`, keyed("k2"))).json).toMatchObject({ records: 2, results: [{ id: "k2/0" }, { id: "k2/1" }] });
    expect((await post(other, `${deposit("a")}\n${deposit("b")}\n`, keyed("k3", NDJSON_TYPE))).json).toMatchObject({
      records: 2,
      results: [{ id: "k3/0" }, {}],
    });
    const event = { ...JSON_TYPE, "ce-specversion": "1.0", "ce-id": "7", "ce-source": "/shop", "ce-type": "t", "ce-time": new Date().toISOString() };
    expect((await post(other, deposit("c"), event)).json).toMatchObject({ records: 1, results: [{ id: "/shop 7" }] });
    await expect.poll(() => kept.length, POLL).toBe(6);
    expect(workerOf(other).engine.shards.size).toBeGreaterThan(0);
  });

  test("are refused as by the owner: what is wrong, too large, or cannot be promised", async () => {
    const { others } = await started(() => bank(), 2);
    const [other] = others as [RunningPipeline];
    const refused = await post(other, `${deposit("a")}\nnonsense\n${deposit("b")}\n`, NDJSON_TYPE);
    expect([refused.status, refused.json]).toMatchObject([422, { index: 1, records: 1, duplicates: 0, unknown: 0 }]);
    expect((await post(other, "nonsense")).json).toMatchObject({ error: { code: "refused" }, index: 0 });
    expect((await post(other, `"${"x".repeat(1 << 20)}"`)).status).toBe(413);
    expect((await post(other, deposit("a"), JSON_TYPE, "?level=fsynced")).json.error.code).toBe("not-fsynced");
    expect((await post(other, deposit("a"), { "content-type": "text/plain" })).status).toBe(415);
    expect((await post(other, deposit("a"), { ...JSON_TYPE, origin: "http://elsewhere.example" })).status).toBe(403);
  });

  test("stream through it in flat memory: where the pipeline is slow, the client is held back", { timeout: 180_000 }, async () => {
    const kept: StreamRecord<Deposit>[] = [];
    const gate = new Gate();
    const { others, owner } = await started(() => bank(kept, gate), 2);
    const [other] = others as [RunningPipeline];
    gate.shut();
    let asked = 0;
    const lines = (async function* () {
      for (; asked < 40_000; asked += 100) yield Array.from({ length: 100 }, (_, i) => `${deposit(`a${(asked + i) % 50}`)}${" ".repeat(800)}\n`).join("");
    })();
    const posted = post(other, lines, keyed("k", NDJSON_TYPE));
    const waiting = async () => (await get(owner, "/v1/streams")).json.streams[0].waiting;
    await expect.poll(waiting, SLOW).toBeGreaterThanOrEqual(8_192);
    let before = -1;
    await expect.poll(() => before === (before = asked), { ...SLOW, interval: 300 }).toBe(true);
    expect(asked).toBeLessThan(40_000);
    gate.open();
    expect((await posted).json).toMatchObject({ records: 40_000, duplicates: 0 });
    await expect.poll(() => kept.length, SLOW).toBe(40_000);
  });

  test("reach the owner though it has just changed, and one that stops sends the client to another", async () => {
    const kept: StreamRecord<Deposit>[] = [];
    const { owner, others } = await started(() => bank(kept), 3);
    const [second, third] = others as [RunningPipeline, RunningPipeline];
    const stopping = owner.stop();
    const sent = await Promise.all(Array.from({ length: 40 }, (_, i) => post(i % 2 === 0 ? second : third, deposit(`a${i}`), keyed(`k${i}`))));
    await stopping;
    expect(sent.map(({ status, json }) => [status, json.records, json.duplicates])).toEqual(sent.map(() => [200, 1, 0]));
    await expect.poll(() => kept.length, POLL).toBe(40);
  });
});

describe("wait=effects where several workers own what is downstream", () => {
  test("is answered by any of them, once all is committed, with the replies", async () => {
    const { all } = await started(() => bank(), 3);
    for (const [i, each] of all.entries()) {
      const body = JSON.stringify(Array.from({ length: 20 }, (_, n) => ({ account: `a${n}`, amount: n })));
      const { status, json } = await post(each, body, keyed(`k${i}`), "?wait=effects");
      expect([status, json.complete, json.replies.length]).toEqual([200, true, 20]);
      expect(json.replies.map(({ value }: { value: { amount: number } }) => value.amount)).toEqual(Array.from({ length: 20 }, (_, n) => n));
      for (const other of all) expect((await get(other, `/v1/replies/k${i}%2F7`)).json.replies).toMatchObject([{ value: { amount: 7 } }]);
    }
  });

  test("waits as long as something is not committed, and says so when its time is over", async () => {
    const gate = new Gate();
    const { all } = await started(() => bank([], gate), 3);
    gate.shut();
    const early = await Promise.all(all.map((each, i) => post(each, deposit("a"), keyed(`k${i}`), "?wait=effects&timeout=150")));
    expect(early.map(({ status, json }) => [status, json.complete])).toEqual(all.map(() => [202, false]));
    const late = all.map((each, i) => post(each, deposit("a"), keyed(`k${i}`), "?wait=effects"));
    gate.open();
    expect((await Promise.all(late)).map(({ status, json }) => [status, json.complete, json.duplicates])).toEqual(all.map(() => [200, true, 1]));
  });
});

test("a dead letter is tried again or discarded through any worker, once", async () => {
  const { all } = await started(() => bank(), 3, [MASTER]);
  for (let i = 0; i < 6; i++) await post(all[i % 3] as RunningPipeline, deposit(`bad-${i}`), { ...keyed(`k${i}`), ...TOKEN }, "?wait=effects");
  const letters = (await get(all[0] as RunningPipeline, "/v1/dead-letters?participant=account", TOKEN)).json.deadLetters;
  expect(letters.length).toBe(6);
  mended = true;
  for (const [i, { letter, id }] of letters.entries()) {
    const paths = [`/v1/dead-letters/account/${letter}/retry`, `/v1/dead-letters/account/${letter}`] as const;
    const act = (each: RunningPipeline) => ask(urlOf(each), i < 4 ? "POST" : "DELETE", paths[i < 4 ? 0 : 1], undefined, TOKEN);
    expect((await act(all[(i + 1) % 3] as RunningPipeline)).json).toMatchObject({ outcome: i < 4 ? "tried again" : "discarded" });
    expect((await act(all[(i + 2) % 3] as RunningPipeline)).status).toBe(404);
    if (i < 4) await expect.poll(async () => (await get(all[0] as RunningPipeline, `/v1/replies/${id}`, TOKEN)).json.replies.length, POLL).toBe(1);
  }
});

test("a timer is acted on through any worker, once", async () => {
  const { all } = await started(() => bank(), 3, [MASTER]);
  for (let i = 0; i < 6; i++) await post(all[i % 3] as RunningPipeline, deposit(`timed-${i}`), { ...keyed(`k${i}`), ...TOKEN }, "?wait=effects");
  const { timers } = (await get(all[0] as RunningPipeline, "/v1/timers", TOKEN)).json;
  expect(timers.length).toBe(6);
  for (const [i, { timer, time }] of timers.entries()) {
    const act = (each: RunningPipeline) => ask(urlOf(each), "DELETE", `/v1/timers/account/${timer}?time=${time}`, undefined, TOKEN);
    expect((await act(all[i % 3] as RunningPipeline)).json).toMatchObject({ outcome: "deleted" });
    expect((await act(all[(i + 1) % 3] as RunningPipeline)).status).toBe(404);
  }
});

describe("between workers", () => {
  test("a request that says it is a worker's, and is not, is refused; the secret is nowhere to be read", async () => {
    const { owner, others, all } = await started(() => bank(), 2);
    const [other] = others as [RunningPipeline];
    for (const each of [owner, other]) expect((await get(each, "/v1/streams", { "millrace-forward": "x".repeat(21) })).json.error.code).toBe("not-meant");
    for (const each of all) {
      const { secret } = workerOf(each).profile.reach as { secret: string };
      for (const path of ["/v1/workers", "/v1/shards", "/v1/streams", "/v1/pipeline"])
        expect(JSON.stringify((await get(owner, path)).json)).not.toContain(secret);
    }
  });

  test("a request that was passed on is not passed on again", async () => {
    const { others } = await started(() => bank(), 2);
    const [other] = others as [RunningPipeline];
    const { secret } = workerOf(other).profile.reach as { secret: string };
    const answer = await post(other, deposit("a"), { ...JSON_TYPE, "millrace-forward": secret });
    expect([answer.status, answer.json.error.code]).toEqual([503, "not-owner"]);
  });

  test("with tokens the client's is looked at by the worker it asks, and the secret is good for what workers ask of each other alone", async () => {
    const { others, owner } = await started(() => bank(), 2, [MASTER]);
    const [other] = others as [RunningPipeline];
    expect((await post(other, deposit("a"))).status).toBe(401);
    expect((await post(other, deposit("a"), { ...JSON_TYPE, ...TOKEN })).status).toBe(200);
    expect((await get(other, "/v1/workers")).status).toBe(401);
    expect((await get(other, "/v1/workers", TOKEN)).json.workers.length).toBe(2);
    const { secret } = workerOf(owner).profile.reach as { secret: string };
    const forward = { "millrace-forward": secret };
    expect((await post(owner, deposit("a"), { ...JSON_TYPE, ...forward })).status).toBe(200);
    expect((await get(owner, "/v1/streams", { ...forward, host: "10.1.2.3" })).status).toBe(200);
    for (const path of ["/v1/workers", "/v1/shards", "/v1/computations/account/state", "/docs"]) expect((await get(owner, path, forward)).status).toBe(401);
  });

  test("an owner that has no endpoint, or hears only its own machine, is named with what to do", async () => {
    const { owner, others } = await started(() => bank(), 2);
    const [other] = others as [RunningPipeline];
    const { profile } = workerOf(owner);
    const { reach } = profile;
    profile.host = "another-machine";
    await expect.poll(async () => (await post(other, deposit("a"))).json.error?.message, POLL).toMatch(/is on machine "another-machine".*--address HOST:PORT/);
    profile.reach = null;
    await expect.poll(async () => (await post(other, deposit("a"))).json.error?.message, POLL).toMatch(/has no HTTP endpoint: start it with one/);
    expect((await get(other, "/v1/streams")).json.streams).toMatchObject([{ open: false, owner: workerOf(owner).name }]);
    profile.reach = reach;
    profile.host = workerOf(other).profile.host;
    await expect.poll(async () => (await post(other, deposit("a"))).status, POLL).toBe(200);
  });

  test("the address for other machines answers to workers alone", async () => {
    const store = new MemoryStore({ exclusive: false });
    const running = await run(bank(), { store, http: { port: 0, address: "127.0.0.1:0" }, log: () => {} });
    onTestFinished(async () => running.stop());
    const { address, secret } = workerOf(running).profile.reach as { address: string; secret: string };
    const door = new URL(address);
    expect(door.port).not.toBe(urlOf(running).port);
    expect((await ask(door, "GET", "/v1/streams", undefined, {})).status).toBe(403);
    expect((await ask(door, "GET", "/v1/streams", undefined, { "millrace-forward": secret, host: "10.1.2.3" })).status).toBe(200);
    await expect(run(bank(), { store, http: { port: 0, address: "nonsense" } })).rejects.toThrow("address is HOST:PORT");
  });
});
