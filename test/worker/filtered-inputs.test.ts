/** Inputs with a filter: which records a computation is sent, and what becomes of the others. */
import { expect, test } from "vitest";
import {
  byHand,
  Computation,
  type Context,
  fromIterable,
  input,
  output,
  Pipeline,
  type Schema,
  stream,
  type StreamRecord,
  toCallback,
} from "../../src/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";

interface Bid {
  readonly kind: "bid";
  readonly auction: string;
  readonly price: number;
}
interface Person {
  readonly kind: "person";
  readonly name: string;
}
type Event = Bid | Person;

const isBid = (event: Event): event is Bid => event.kind === "bid";
const bid = (auction: string, price: number): Bid => ({ kind: "bid", auction, price });
const person = (name: string): Person => ({ kind: "person", name });

/** Records are pushed. */
const nothing = <T>() => fromIterable<T, number>(() => [], { watermark: byHand() });

const events = stream<Event>("events");
const prices = stream<string>("prices");
const names = stream<string>("names");

class Prices extends Computation {
  readonly bids = input(events, { where: isBid, key: ({ auction }) => auction });
  readonly prices = output(prices);
  override processRecord({ value, key }: StreamRecord<Bid>, context: Context): void {
    context.produce(this.prices, `${key} ${value.price}`);
  }
}
class Names extends Computation {
  readonly people = input(events, { where: (event): event is Person => event.kind === "person", key: ({ name }) => name });
  readonly names = output(names);
  override processRecord({ value }: StreamRecord<Person>, context: Context): void {
    context.produce(this.names, value.name);
  }
}

class Odd extends Computation {
  readonly bids = input(events, {
    where: (event) => {
      if (!isBid(event)) return Promise.resolve(false) as unknown as boolean;
      if (event.price < 0) throw new Error("a negative price");
      return true;
    },
    key: () => "all",
  });
  readonly prices = output(prices);
  override processRecord({ value }: StreamRecord<Event>, context: Context): void {
    context.produce(this.prices, String((value as Bid).price));
  }
}

const pipelineOf = (Bids: new () => Prices | Odd): Pipeline =>
  new Pipeline("auctions", { shards: 3 })
    .inject("events", events, nothing<Event>())
    .compute("prices", Bids)
    .compute("names", Names)
    .sink(
      "prices-out",
      prices,
      toCallback(() => {}),
    )
    .sink(
      "names-out",
      names,
      toCallback(() => {}),
    );

test("each consumer is sent the records that are for it, and the watermark passes the others", async () => {
  const t = await PipelineTester.start(pipelineOf(Prices));
  await t.push(events, bid("a", 1), { at: 1 });
  await t.push(events, person("ann"), { at: 2 });
  await t.push(events, bid("b", 2), { at: 3 });
  expect([t.values(prices), t.values(names)]).toEqual([["a 1", "b 2"], ["ann"]]);
  await t.advanceWatermark(100);
  expect([t.watermark(Prices).input, t.watermark(Names).input]).toEqual([100, 100]);
  await t.crash({ at: "after-commit" });
  await t.push(events, person("bob"), { at: 100 });
  await t.finish();
  expect([t.values(prices), t.values(names), t.deadLetters()]).toEqual([["a 1", "b 2"], ["ann", "bob"], []]);
});

test("a filter that throws, or gives what is no verdict, sends that delivery to its own consumer's dead letters", async () => {
  const t = await PipelineTester.start(pipelineOf(Odd));
  await t.push(events, bid("a", -1), { at: 1 });
  await t.push(events, person("ann"), { at: 2 });
  await t.push(events, bid("a", 5), { at: 3 });
  expect([t.values(prices), t.values(names)]).toEqual([["5"], ["ann"]]);
  expect(t.deadLetters().map(({ computation, reason }) => `${computation}: ${reason}`)).toEqual([
    "prices: the filter of prices refused it: a negative price",
    "prices: the filter of prices gave a promise: it gives true or false",
  ]);
});

test("a record that is for nobody is checked by its stream's schema all the same", async () => {
  const schema: Schema<number> = {
    "~standard": { version: 1, vendor: "test", validate: (value) => (typeof value === "number" ? { value } : { issues: [{ message: "no number" }] }) },
  };
  const numbers = stream<number>("numbers", { schema });
  class Never extends Computation {
    readonly numbers = input(numbers, { where: () => false, key: String });
    override processRecord(): void {
      throw new Error("it is for nobody");
    }
  }
  const t = await PipelineTester.start(new Pipeline("never").inject("numbers", numbers, nothing<number>()).compute("never", Never));
  await t.push(numbers, 1, { at: 1 });
  await t.push(numbers, "one" as unknown as number, { at: 2 }).catch(() => {});
  await t.finish();
  expect(t.deadLetters().map(({ computation, reason }) => `${computation}: ${reason}`)).toEqual([expect.stringMatching(/^numbers: .*no number/)]);
});
