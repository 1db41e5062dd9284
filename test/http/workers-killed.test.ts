/**
 * Three workers, processes of their own on a real Redis, and clients that post to all of them and send again, to any,
 * what was not answered, while workers are killed: each deposit counts once, and each answer was true.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { built } from "../support/built.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { type Answer, ask, JSON_TYPE, NDJSON_TYPE } from "./posting.ts";

const CHILD = built("test/support/reply-process.ts");
/** `DEPOSITS=20000 npx vitest run test/http/workers-killed` for the long form. */
const DEPOSITS = Number(process.env["DEPOSITS"] ?? 150);
const KILLS = DEPOSITS > 1_000 ? 12 : 3;
const CLIENTS = 9;
const ACCOUNTS = 7;
const LONG = 240_000 + DEPOSITS * 60;

interface Running {
  readonly child: ChildProcess;
  readonly url: URL;
}
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});

async function started(server: RedisServer): Promise<Running> {
  const child = spawn(process.execPath, [CHILD, server.url], { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let [said, errors] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors += text));
  await expect.poll(() => said.endsWith("\n") || child.exitCode !== null, { timeout: 100_000 }).toBe(true);
  expect([child.exitCode, said === "" ? errors : ""]).toEqual([null, ""]);
  return { child, url: new URL(said.trim()) };
}

const account = (n: number): string => `account-${n % ACCOUNTS}`;
const amount = (n: number): number => 1 + (n % 11);
const body = (n: number): string => JSON.stringify({ account: account(n), amount: amount(n) });

/** What clients were told: replies by deposit, and how often each other answer came. */
class Told {
  readonly replies = new Map<number, { readonly value: { readonly balance: number } }[]>();
  readonly taken = new Set<number>();
  readonly others = new Map<string, number>();

  /** True: the deposit is taken, says the answer. */
  hear(n: number, answer: Answer | undefined): boolean {
    const how = answer === undefined ? "no answer" : `${answer.status} ${answer.json?.error?.code ?? ""}`.trim();
    if (answer?.status !== 200) this.others.set(how, (this.others.get(how) ?? 0) + 1);
    // 202: taken, and not known to be through; sent again, it waits for what the first one caused.
    if (answer?.status !== 200) return false;
    expect([answer.json.records, answer.json.complete ?? true]).toEqual([1, true]);
    this.taken.add(n);
    if (answer.json.replies !== undefined) this.replies.set(n, answer.json.replies);
    return true;
  }
}

/** Posts deposit n to one worker after the other until one says that it is taken; each third as NDJSON, each fourth without waiting. */
async function deposit(n: number, workers: readonly Running[], told: Told): Promise<void> {
  const type = n % 3 === 0 ? NDJSON_TYPE : JSON_TYPE;
  const path = `/v1/streams/deposits/records${n % 4 === 0 ? "" : "?wait=effects"}`;
  for (let attempt = n; ; attempt++) {
    const { url } = workers[attempt % workers.length] as Running;
    const answer = await ask(url, "POST", path, body(n), { ...type, "idempotency-key": `k${n}` }).catch(() => undefined);
    if (told.hear(n, answer)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("deposits posted to three workers that are killed count once each, and every answer was true", { timeout: LONG }, async () => {
  const server = await startRedis({ tcp: true });
  onTestFinished(() => server.stop());
  const workers = await Promise.all([started(server), started(server), started(server)]);
  const told = new Told();
  const client = async (own: number): Promise<void> => {
    for (let n = own; n < DEPOSITS; n += CLIENTS) await deposit(n, workers, told);
  };
  const killed: string[] = [];
  const kill = async (): Promise<void> => {
    for (let each = 1; each <= KILLS; each++) {
      await expect.poll(() => told.taken.size, { timeout: LONG, interval: 5 }).toBeGreaterThanOrEqual(Math.floor((DEPOSITS * each) / (KILLS + 1)));
      // Each second time the one that takes the records, then the others in turn.
      const { streams, worker } = (await ask((workers[each % 3] as Running).url, "GET", "/v1/streams", undefined, {})).json;
      const owners = await Promise.all(workers.map(async ({ url }) => (await ask(url, "GET", "/v1/streams", undefined, {})).json.worker));
      const at = each % 2 === 1 ? Math.max(0, owners.indexOf(streams[0].owner)) : each % 3;
      killed.push(owners[at] === streams[0].owner ? "owner" : "other");
      expect(worker).toBeDefined();
      const { child } = workers[at] as Running;
      child.kill("SIGKILL");
      await once(child, "exit");
      workers[at] = await started(server);
    }
  };
  await Promise.all([kill(), ...Array.from({ length: CLIENTS }, (_, own) => client(own))]);
  console.log(`killed ${killed.join(", ")}; answers that were not 200: ${JSON.stringify(Object.fromEntries(told.others))}`);
  expect([...told.others.keys()].filter((how) => !/^(no answer|202|503 (unknown|not-open|back-pressure|store-unavailable))$/.test(how))).toEqual([]);
  expect(told.taken.size).toBe(DEPOSITS);

  const balances = new Map<string, number[]>();
  for (let n = 0; n < DEPOSITS; n++) {
    const { url } = workers[n % 3] as Running;
    const replies = async () => (await ask(url, "GET", `/v1/replies/${n % 3 === 0 ? `k${n}%2F0` : `k${n}`}`, undefined, {})).json.replies;
    // What was not waited for may still be on its way.
    await expect.poll(async () => (await replies()).length, { timeout: 30_000, interval: 20 }).toBe(1);
    const [reply] = await replies();
    if (told.replies.has(n)) expect(told.replies.get(n)).toEqual([reply]);
    else expect(n % 4).toBe(0);
    balances.set(account(n), [...(balances.get(account(n)) ?? []), reply.value.balance as number]);
  }
  // The balances of an account are all the sums on the way to the last: each deposit is in them once.
  for (const [name, seen] of balances) {
    const own = Array.from({ length: DEPOSITS }, (_, n) => n).filter((n) => account(n) === name);
    expect(Math.max(...seen)).toBe(own.reduce((sum, n) => sum + amount(n), 0));
    expect(new Set(seen).size).toBe(own.length);
  }
});

test("an owner that stands still leaves a request unknown, not waiting; sent again it counts once, also when that worker goes on", {
  timeout: LONG,
}, async () => {
  const server = await startRedis({ tcp: true });
  onTestFinished(() => server.stop());
  const workers = await Promise.all([started(server), started(server)]);
  const get = async ({ url }: Running, path: string) => (await ask(url, "GET", path, undefined, {})).json;
  const names = await Promise.all(workers.map(async (each) => (await get(each, "/v1/streams")).worker as string));
  const ownerOf = async () => (await get(workers[0] as Running, "/v1/streams")).streams[0].owner as string | null;
  const isSettled = async () => (await get(workers[0] as Running, "/v1/workers")).workers.every(({ owned }: { owned: number }) => owned >= 8);
  await expect.poll(isSettled, { timeout: 60_000 }).toBe(true);
  await expect.poll(ownerOf, { timeout: 60_000 }).toBeTruthy();
  const at = names.indexOf((await ownerOf()) as string);
  const [owner, other] = [workers[at], workers[1 - at]] as [Running, Running];
  const post = (n: number, query = "") => ask(other.url, "POST", `/v1/streams/deposits/records${query}`, body(n), { ...JSON_TYPE, "idempotency-key": `k${n}` });
  owner.child.kill("SIGSTOP");
  const first = await post(0);
  // On a slow machine the lease may have been over before it was asked.
  if (first.status !== 200) expect([first.status, first.json.error.code]).toEqual([503, expect.stringMatching(/^(unknown|not-open)$/)]);
  let again: Answer;
  do again = await post(0, "?wait=effects");
  while (again.status !== 200);
  expect([again.json.complete, again.json.replies.map(({ value }: { value: unknown }) => value)]).toEqual([true, [{ request: "k0", balance: amount(0) }]]);
  owner.child.kill("SIGCONT");
  await expect.poll(async () => (await get(owner, "/v1/replies/k0")).replies, { timeout: 60_000 }).toEqual(again.json.replies);
  let more: Answer;
  do more = await post(ACCOUNTS, "?wait=effects");
  while (more.status !== 200);
  expect(more.json.replies[0].value.balance).toBe(amount(0) + amount(ACCOUNTS));
});
