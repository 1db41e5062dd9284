/**
 * A process of its own for `test/http/replies.test.ts`: two stages that add up what is posted and answer each post with
 * the sum so far, on the store that its argument names. It says the address of its endpoint, and runs until it is ended.
 */
import { Computation, type Context, fromHttp, input, LmdbStore, output, Pipeline, RedisStore, run, state, stream, type StreamRecord } from "../../src/index.ts";

interface Deposit {
  readonly account: string;
  readonly amount: number;
}
interface Checked extends Deposit {
  readonly request: string;
}
interface Answer {
  readonly request: string;
  readonly balance: number;
}
const deposits = stream<Deposit>("deposits");
const checked = stream<Checked>("checked");
const answers = stream<Answer>("answers");

class Check extends Computation {
  readonly deposits = input(deposits, { key: ({ account, amount }) => `${account}/${amount % 7}` });
  readonly checked = output(checked);
  override processRecord({ id, value }: StreamRecord<Deposit>, context: Context): void {
    context.produce(this.checked, { ...value, request: id });
  }
}
class Account extends Computation {
  readonly checked = input(checked, { key: ({ account }) => account });
  readonly answers = output(answers);
  readonly balance = state("balance", { initial: 0 });
  override processRecord({ value }: StreamRecord<Checked>, context: Context): void {
    const balance = context.state(this.balance).get() + value.amount;
    context.state(this.balance).set(balance);
    context.produce(this.answers, { request: value.request, balance });
  }
}

const [, , where = ""] = process.argv;
const pipeline = new Pipeline("bank", { shards: 8 })
  .inject("deposits", deposits, fromHttp<Deposit>())
  .compute("check", Check)
  .compute("account", Account)
  .reply("answers", answers, { to: ({ request }) => request });
const store = where.startsWith("redis:") ? new RedisStore(where) : new LmdbStore(where);
const running = await run(pipeline, { store, leaseMs: 500, http: { port: 0 }, log: () => {} });
process.stdout.write(`${running.url}\n`);
