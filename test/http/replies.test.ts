/**
 * Request and response over a pipeline: a request may wait until all that came of it is committed, and is given the
 * replies; whoever asks again, or later, is given the same.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { Computation, type Context, fromHttp, input, output, Pipeline, state, stream, type StreamRecord } from "../../src/index.ts";
import { built } from "../support/built.ts";
import { startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { ask, JSON_TYPE, POLL, Posting } from "./posting.ts";

interface Deposit {
  readonly account: string;
  readonly amount: number;
}
interface Answer {
  readonly request: string;
  readonly balance: number;
}
const deposits = stream<Deposit>("deposits");
const answers = stream<Answer>("answers");
const open = new Map<string, () => void>();

class Account extends Computation {
  readonly deposits = input(deposits, { key: ({ account }) => account });
  readonly answers = output(answers);
  readonly balance = state("balance", { initial: 0 });
  override async processRecord({ id, value }: StreamRecord<Deposit>, context: Context): Promise<void> {
    if (value.account.startsWith("slow")) await new Promise<void>((resolve) => open.set(value.account, resolve));
    const balance = context.state(this.balance).get() + value.amount;
    context.state(this.balance).set(balance);
    context.produce(this.answers, { request: id, balance });
    if (value.account === "twice") context.produce(this.answers, { request: id, balance: -balance });
  }
}
const bank = () =>
  new Pipeline("bank", { shards: 2 })
    .inject("deposits", deposits, fromHttp<Deposit>())
    .compute("account", Account)
    .reply("answers", answers, { to: ({ request }) => request });
const post = (posting: Posting, value: unknown, key: string, query = "?wait=effects") =>
  posting.post(JSON.stringify(value), { ...JSON_TYPE, "idempotency-key": key }, query, "deposits");

describe("a request that waits", () => {
  test("is answered with its replies, and with the same when it is sent again or asked for later", async () => {
    const posting = await Posting.start(bank());
    const first = await post(posting, { account: "a", amount: 5 }, "r1");
    expect([first.status, first.json]).toMatchObject([
      200,
      { complete: true, duplicates: 0, replies: [{ to: "r1", name: "answers", value: { request: "r1", balance: 5 } }] },
    ]);
    await post(posting, { account: "a", amount: 7 }, "r2");
    const again = await post(posting, { account: "a", amount: 5 }, "r1");
    expect([again.status, again.json.duplicates, again.json.complete, again.json.replies]).toEqual([200, 1, true, first.json.replies]);
    expect((await posting.get("/v1/replies/r1")).json.replies).toEqual(first.json.replies);
    expect((await posting.get("/v1/replies/r2")).json.replies).toMatchObject([{ value: { balance: 12 } }]);
    expect((await posting.get("/v1/replies/unknown")).json.replies).toEqual([]);
  });

  test("gets all replies to all its records, in their order", async () => {
    const posting = await Posting.start(bank());
    const { json } = await post(
      posting,
      [
        { account: "twice", amount: 1 },
        { account: "b", amount: 2 },
      ],
      "k",
    );
    expect(json.replies.map(({ to, value }: { to: string; value: Answer }) => [to, value.balance])).toEqual([
      ["k/0", 1],
      ["k/0", -1],
      ["k/1", 2],
    ]);
  });

  test("is told that not all is done when that takes longer than it waits, and of the rest when it asks again", async () => {
    const posting = await Posting.start(bank());
    const early = await post(posting, { account: "slow", amount: 3 }, "s1", "?wait=effects&timeout=100");
    expect([early.status, early.json]).toMatchObject([202, { complete: false, records: 1, replies: [] }]);
    open.get("slow")?.();
    const late = await post(posting, { account: "slow", amount: 3 }, "s1");
    expect([late.status, late.json]).toMatchObject([200, { complete: true, duplicates: 1, replies: [{ value: { balance: 3 } }] }]);
  });

  test("does not wait for what others have put in", async () => {
    const posting = await Posting.start(bank());
    const held = post(posting, { account: "slow-2", amount: 3 }, "h1");
    await expect.poll(() => open.has("slow-2"), POLL).toBe(true);
    expect((await post(posting, { account: "b", amount: 1 }, "h2")).json).toMatchObject({ complete: true, replies: [{ value: { balance: 1 } }] });
    open.get("slow-2")?.();
    expect((await held).json.complete).toBe(true);
  });

  test.each(["?wait=all", "?timeout=5", "?wait=effects&timeout=-1", "?wait=effects&timeout=60001", "?wait=effects&timeout=1e3"])(
    "%s is a bad request",
    async (query) => {
      const posting = await Posting.start(bank());
      expect((await post(posting, { account: "a", amount: 5 }, "r1", query)).status).toBe(400);
    },
  );
});

const CHILD = built("test/support/reply-process.ts");
/** `REPLIES=10000 npx vitest run test/http/replies` for the long form. */
const POSTS = Number(process.env["REPLIES"] ?? 150);
const CLIENTS = 8;
const KILLS = POSTS > 1_000 ? 5 : 3;
const fresh = temporaryDirectory();
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});

async function started(store: string): Promise<{ readonly child: ChildProcess; readonly url: URL }> {
  const child = spawn(process.execPath, [CHILD, store], { stdio: ["ignore", "pipe", "ignore"] });
  children.add(child);
  let said = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text));
  await expect.poll(() => said, { timeout: 60_000 }).toMatch(/\n$/);
  return { child, url: new URL(said.trim()) };
}

test.each(["lmdb", "redis"])(
  "on %s, killed amid requests that are sent until they are answered: each reply is what a later read shows",
  { timeout: 60_000 + POSTS * 60 },
  async (kind) => {
    const server = kind === "redis" ? await startRedis({ tcp: true, args: ["--appendonly", "yes"] }) : undefined;
    if (server !== undefined) onTestFinished(() => server.stop());
    const store = server === undefined ? fresh("bank") : `redis://127.0.0.1:${server.port}`;
    let process = await started(store);
    const answered = new Map<string, unknown>();
    let repeated = 0;
    const client = async (own: number): Promise<void> => {
      for (let n = own; n < POSTS; n += CLIENTS) {
        const headers = { ...JSON_TYPE, "idempotency-key": `k${n}` };
        const body = JSON.stringify({ account: `account-${n % 5}`, amount: 1 + (n % 11) });
        for (;;) {
          const answer = await ask(process.url, "POST", "/v1/streams/deposits/records?wait=effects", body, headers).catch(() => undefined);
          if (answer?.status === 200 && answer.json.complete === true) {
            answered.set(`k${n}`, answer.json.replies);
            break;
          }
          repeated += 1;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const kills = async (): Promise<void> => {
      for (let kill = 1; kill <= KILLS; kill++) {
        await expect.poll(() => answered.size, { timeout: 60_000 + POSTS * 10, interval: 5 }).toBeGreaterThanOrEqual(Math.floor((POSTS * kill) / (KILLS + 1)));
        process.child.kill("SIGKILL");
        await once(process.child, "exit");
        process = await started(store);
      }
    };
    await Promise.all([kills(), ...Array.from({ length: CLIENTS }, (_, own) => client(own))]);
    expect(repeated).toBeGreaterThan(0);
    const balances = new Map<string, number[]>();
    for (let n = 0; n < POSTS; n++) {
      const { replies } = (await ask(process.url, "GET", `/v1/replies/k${n}`, undefined, {})).json;
      expect(replies).toEqual(answered.get(`k${n}`));
      expect(replies.length).toBe(1);
      const account = `account-${n % 5}`;
      balances.set(account, [...(balances.get(account) ?? []), replies[0].value.balance as number]);
    }
    // Every deposit counts once: the balances of an account are all the sums on the way to the last.
    for (const [account, seen] of balances) {
      const amounts = Array.from({ length: POSTS }, (_, n) => n).filter((n) => `account-${n % 5}` === account);
      expect(Math.max(...seen)).toBe(amounts.reduce((sum, n) => sum + 1 + (n % 11), 0));
      expect(new Set(seen).size).toBe(amounts.length);
    }
  },
);
