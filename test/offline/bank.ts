/**
 * A pipeline whose result shows any record that was lost, doubled or out of order, and that can be stopped with something of
 * everything under way: records in inboxes, failing ones set aside, dead letters, timers of both clocks, holds, client ids.
 */
import {
  ascending,
  Computation,
  type Context,
  exponential,
  fromIterable,
  input,
  output,
  Pipeline,
  type Sink,
  state,
  stream,
  type StreamRecord,
  timer,
  type Timer,
  timers,
  toCallback,
} from "../../src/index.ts";
import { systemClock } from "../../src/clock.ts";
import type { Surroundings } from "../../src/offline/copy.ts";
import { systemRandom } from "../../src/random.ts";

export const surroundings: Surroundings = { clock: systemClock, random: systemRandom, tell: () => {} };

interface Payment {
  readonly n: number;
  readonly account: string;
}
interface Entry {
  readonly account: string;
  readonly line: string;
}

const payments = stream<Payment>("payments");
const entries = stream<Entry>("entries");
/** Beside them a year, so that wall timers are there and never fire. */
const YEAR = 31_536_000_000;
export const PAYMENTS = 9_000;
const ACCOUNTS = 700;

/** What a pipeline does now, told from outside: "blocked" leaves as much as possible under way. */
export interface Bank {
  mode: "blocked" | "open";
  /** What reached the sink: lines by account, in order, each record once. */
  readonly lines: Map<string, string[]>;
  readonly seen: Set<string>;
}

export const newBank = (): Bank => ({ mode: "open", lines: new Map(), seen: new Set() });

async function* paymentsAfter(last: number | undefined, bank: Bank) {
  for (let n = (last ?? -1) + 1; n < PAYMENTS; n += 200) {
    yield Array.from({ length: Math.min(200, PAYMENTS - n) }, (_, i) => {
      return { value: { n: n + i, account: `account ${((n + i) * 7_919) % ACCOUNTS}` }, position: n + i, timestamp: 1_000_000 + n + i };
    });
    // Not to its end: its watermark would be beyond everything.
    while (bank.mode === "blocked" && n > PAYMENTS - 600) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

class Ledger extends Computation {
  readonly payments = input(payments, { key: (payment) => (payment.n === 77 ? refuse() : payment.account) });
  readonly entries = output(entries);
  readonly sum = state("sum", { initial: 0 });
  readonly history = state("history", { initial: "" });
  readonly closing = timers<number>("closing");
  readonly reminder = timer("reminder", { clock: "wall" });
  readonly #bank: Bank;

  constructor(bank: Bank) {
    super();
    this.#bank = bank;
  }

  override processRecord(record: StreamRecord<Payment>, context: Context): void | Promise<void> {
    const { n } = record.value;
    if (n === 123) throw new Error("this payment never works");
    context.state(this.sum).update((sum) => sum + n);
    // Any order but that of arrival gives another text.
    context.state(this.history).update((history) => `${history},${n}`.slice(-900));
    context.setTimer(this.closing.for(n % 3), 2_000_000 + (n % 3));
    if (n % 10 === 0) context.setTimer(this.reminder, context.now() + YEAR, { output: "none" });
    if (n % 17 === 0) context.hold(record.timestamp);
    else if (n % 17 === 1) context.hold(undefined);
    context.produce(this.entries, { account: context.key, line: `${n} ${context.state(this.sum).get()}` });
    // What is slow stands aside, and what comes after it of its key.
    return n % 300 === 200 && this.#bank.mode === "blocked" ? this.#opened() : undefined;
  }

  async #opened(): Promise<void> {
    while (this.#bank.mode === "blocked") await new Promise((resolve) => setTimeout(resolve, 5));
  }

  override processTimer(due: Timer<number> | Timer<undefined>, context: Context): void {
    const tag = due.is(this.closing) ? due.tag : "reminder";
    if (tag !== "reminder") context.hold(undefined);
    context.produce(this.entries, { account: context.key, line: `closes ${tag}: ${context.state(this.sum).get()} ${context.state(this.history).get()}` });
  }
}

function refuse(): never {
  throw new Error("whose is it?");
}

function boardOf(bank: Bank): Sink<Entry> {
  const board = ({ id, value }: StreamRecord<Entry>): void => {
    if (bank.mode === "blocked" && bank.seen.size > 1_000) throw new Error("not now");
    // At least once is all that a callback is given: after a stop none comes twice, after a kill one may.
    if (bank.seen.has(id)) return;
    bank.seen.add(id);
    bank.lines.set(value.account, [...(bank.lines.get(value.account) ?? []), value.line]);
  };
  return toCallback<Entry>(board, { attempts: Number.POSITIVE_INFINITY });
}

export function bankPipeline(bank: Bank, shards = 8): Pipeline {
  const source = fromIterable<Payment, number>((last) => paymentsAfter(last, bank), {
    id: (payment) => `payment ${payment.n}`,
    idRetention: 10_000_000,
    watermark: ascending(),
  });
  return new Pipeline("bank", { shards })
    .inject("till", payments, source)
    .compute("ledger", () => new Ledger(bank), { attempts: 2, backoff: exponential(50, 50) })
    .sink("board", entries, boardOf(bank));
}

/** What a run without a stop gives, by account. Without the one that fails for good it is the same wherever it was stopped. */
export function expected(): Map<string, string[]> {
  const lines = new Map<string, string[]>();
  const sums = new Map<string, { sum: number; history: string; tags: Set<number> }>();
  for (let n = 0; n < PAYMENTS; n++) {
    if (n === 123 || n === 77) continue;
    const account = `account ${(n * 7_919) % ACCOUNTS}`;
    const known = sums.get(account) ?? { sum: 0, history: "", tags: new Set() };
    known.sum += n;
    known.history = `${known.history},${n}`.slice(-900);
    known.tags.add(n % 3);
    sums.set(account, known);
    lines.set(account, [...(lines.get(account) ?? []), `${n} ${known.sum}`]);
  }
  for (const [account, { sum, history, tags }] of sums) {
    for (const tag of [...tags].sort((a, b) => a - b)) (lines.get(account) as string[]).push(`closes ${tag}: ${sum} ${history}`);
  }
  return lines;
}
