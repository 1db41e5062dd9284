/**
 * Lines that must not compile. Each case is a comment with its number, over the one line that is wrong;
 * `wrong-messages.ts` says what the compiler tells about it. What lies between cases is right.
 */
import { Computation, type Context, type EffectResult, input, output, Pipeline, type Schema, state, type Stream, stream, type StreamRecord, type Timer, timer, timers, twoPhase, type WindowTotal } from "millrace";
import { fromFile, fromIterable, toCallback, toFile } from "./edges.ts";

interface Order { id: string; total: number; customer: number; note?: string }
interface Payment { orderId: string; amount: number }
const orders = stream<Order>("orders");
const payments = stream<Payment>("payments");
const unpaid = stream<{ orderId: string }>("unpaid");
const refunds = stream<{ orderId: string }>("refunds");
class Buckets { counts = new Map<number, number>(); add(t: number) { this.counts.set(t, 1); } }
class Money { readonly cents: number; constructor(cents: number) { this.cents = cents; } plus(o: Money) { return new Money(this.cents + o.cents); } }

// CASE 01 a class with methods as state
export const w01 = state<Buckets>("buckets");
// CASE 02 nested: a class with methods inside a stream's value
export const w02 = stream<{ id: string; price: Money }>("prices");
// CASE 03 a key extractor that may give undefined
export const w03 = input(orders, { key: (order) => order.note });
// CASE 04 a key extractor that gives a number
export const w04 = input(orders, { key: (order) => order.customer });
// CASE 05 a key extractor that reads a field the value lacks
export const w05 = input(orders, { key: (order) => order.orderId });
// CASE 06 an initial value of another type
export const w06 = state<number>("n", { initial: "0" });
// CASE 07 a codec of another type
export const w07 = stream<Order>("orders", { codec: moneyCodec() });
// CASE 08 a function as state
export const w08 = state<() => void>("callback");
// CASE 09 a misspelt option
export const w09 = state("n", { initial: 0, tll: 1 });

declare function moneyCodec(): { id: string; version: number; encode(value: Money): Uint8Array; decode(bytes: Uint8Array, version: number): Money };

class Join extends Computation {
  readonly orders = input(orders, { key: (order) => order.id });
  readonly payments = input(payments, { key: (payment) => payment.orderId });
  readonly unpaid = output(unpaid);
  readonly order = state<Order>("order");
  readonly count = state("count", { initial: 0 });
  readonly seen = state<string[]>("seen", { initial: [] });
  readonly sums = state("sums", { initial: new Map<string, number>() });
  readonly deadline = timer("deadline");
  readonly closing = timers<number>("closing");

  processRecord(record: StreamRecord<Order> | StreamRecord<Payment>, context: Context) {
    // CASE 10 an undeclared output
    context.produce(refunds, { orderId: "1" });
    // CASE 11 the wrong value for an output
    context.produce(this.unpaid, { orderId: 1 });
    // CASE 12 an extra property
    context.produce(this.unpaid, { orderId: "1", total: 3 });
    // CASE 13 state of the wrong type
    context.state(this.count).set("1");
    // CASE 14 state that may be absent
    context.state(this.order).get().total;
    // CASE 15 changed but not written: an object
    context.state(this.order).get()!.total++;
    // CASE 16 changed but not written: a list
    context.state(this.seen).get().push("x");
    // CASE 17 changed but not written: a map
    context.state(this.sums).get().set("x", 1);
    // CASE 18 a timer that was not declared
    context.setTimer("deadline", record.timestamp);
    // CASE 19 a family without its tag
    context.setTimer(this.closing, record.timestamp);
    // CASE 20 a tag of the wrong type
    context.setTimer(this.closing.for("a"), record.timestamp);
    // CASE 21 a Date for a time
    context.setTimer(this.deadline, new Date());
    // CASE 22 an output used as an input
    record.is(this.unpaid);
    // CASE 23 a value read before asking which input it is
    record.value.amount;
    if (record.is(this.orders)) {
      record.value.total.toFixed();
      // CASE 24 the other input's field
      record.value.amount;
    } else if (record.is(this.payments)) {
      record.value.amount.toFixed();
    } else {
      // CASE 43 else says nothing: two inputs may have one type
      record.value.amount;
    }
    // CASE 25 an input used as an output
    context.produce(this.orders, { id: "1", total: 1, customer: 1 });
    // CASE 26 a timestamp as text
    context.produce(this.unpaid, { orderId: "1" }, { timestamp: "now" });
    // CASE 27 a cell that is not state
    context.state(this.deadline);
    // CASE 28 an update that gives another type
    context.state(this.count).update((n) => `${n}`);
  }
  processTimer(timer: Timer<undefined> | Timer<number>, context: Context) {
    if (timer.is(this.closing)) timer.tag.toFixed();
    // CASE 29 the tag of a timer that has none
    else timer.tag.toFixed();
    context.clear();
  }
}
class ForgotPayments extends Computation {
  readonly orders = input(orders, { key: (order) => order.id });
  readonly payments = input(payments, { key: (payment) => payment.orderId });
  processRecord(_record: StreamRecord<Order>, _context: Context) {}
}
class NoInput extends Computation {
  readonly unpaid = output(unpaid);
  processRecord(_record: StreamRecord<Order>, _context: Context) {}
}
class ForgotTimer extends Computation {
  readonly orders = input(orders, { key: (order) => order.id });
  readonly deadline = timer("deadline");
  processRecord(_record: StreamRecord<Order>, _context: Context) {}
}
class WrongTag extends Computation {
  readonly orders = input(orders, { key: (order) => order.id });
  readonly closing = timers<string>("closing");
  processRecord(_record: StreamRecord<Order>, _context: Context) {}
  processTimer(_timer: Timer<number>, _context: Context) {}
}
class Configured extends Computation {
  readonly orders = input(orders, { key: (order) => order.id });
  readonly limit: number;
  constructor(limit: number) { super(); this.limit = limit; }
  processRecord(_record: StreamRecord<Order>, _context: Context) {}
}
class Alike {
  readonly orders = input(orders, { key: (order) => order.id });
  processRecord(_record: StreamRecord<Order>, _context: Context) {}
}
// CASE 44 a generic T, no codec
export class Keep<T> extends Computation { readonly last = state<T>("last"); processRecord(_record: StreamRecord<T>, _context: Context) {} }
// CASE 30 no processRecord
class Misspelt extends Computation { processRecords() {} }

const p = new Pipeline("p");
p.compute("join", Join).compute("configured", () => new Configured(3));
// CASE 31 processRecord does not take every input
p.compute("x", ForgotPayments);
// CASE 32 no input
p.compute("x", NoInput);
// CASE 33 declares a timer, has no processTimer
p.compute("x", ForgotTimer);
// CASE 34 the tag's type differs
p.compute("x", WrongTag);
// CASE 35 a class that needs arguments
p.compute("x", Configured);
// CASE 36 an instance in place of a factory
p.compute("x", new Configured(3));
// CASE 37 a sink of another type
p.sink("s", unpaid, toCallback((record: StreamRecord<Order>) => { record.value.total; }));
// CASE 38 a timestamp from a field the value lacks
p.inject("i", orders, fromFile("x", { timestamp: (order) => order.placedAt }));
// CASE 39 a timestamp as a Date
p.inject("i", orders, fromFile("x", { timestamp: () => new Date() }));
// CASE 42 streams and names swapped
p.sink(unpaid, "s", toFile("x"));
// CASE 45 a class that looks like a computation but does not extend it
p.compute("x", Alike);
// CASE 46 an async factory
p.compute("x", async () => new Configured(3));
// CASE 47 an unknown way to fail
p.compute("x", Join, { onFailure: "ignore" });
// CASE 48 an output timestamp for which there is no word
export const w48 = (context: Context, join: Join) => context.setTimer(join.deadline, 0, { output: "never" });
const receipts = stream<EffectResult<Order, { receipt: string }>>("receipts");
p.effect("charge", orders, async (record) => ({ receipt: record.value.id }), { results: receipts });
p.every("ticks", unpaid, { every: 1_000 }, ({ time }) => ({ orderId: String(time) }));
p.reply("answers", unpaid, { to: ({ orderId }) => orderId });
// CASE 49 results of another type than what perform returns
p.effect("x", orders, () => "sent", { results: receipts });
// CASE 50 results of another input
p.effect("x", payments, () => ({ receipt: "r" }), { results: receipts });
// CASE 51 an effect that reads a field the value lacks
p.effect("x", orders, (record) => record.value.orderId);
// CASE 52 a misspelt option of an effect
p.effect("x", orders, () => "", { retries: 3 });
// CASE 53 a tick's value of another type
p.every("x", unpaid, { every: 1_000 }, ({ time }) => ({ order: time }));
// CASE 54 a schedule by a word
p.every("x", unpaid, "hourly", () => ({ orderId: "" }));
// CASE 55 a reply to a number
p.reply("x", orders, { to: (order) => order.total });
// CASE 56 a skew as text
p.inject("i", orders, fromFile("x"), { maxSkew: "1 h" });
// CASE 57 a skew of a computation
p.compute("x", Join, { maxSkew: 1_000 });
interface Sum { readonly total: Money }
const totals = { from: orders, key: (order: Order) => order.id, spreadBy: (order: Order) => order.id, window: 1_000, merge: (one: number) => one };
declare const sums: Stream<WindowTotal<number>>;
declare const moneys: Stream<WindowTotal<Sum>>;
p.compute("partial", twoPhase("ok", { ...totals, to: sums, initial: () => 0, add: (sum, order) => sum + order.total }).partial);
// CASE 58 a total that would lose its methods
twoPhase<Order, Sum>("x", { ...totals, to: moneys, initial: () => ({ total: new Money(0) }), add: (sum) => sum, merge: (one) => one });
// CASE 59 an aggregation of a field the value lacks
twoPhase("x", { ...totals, to: sums, initial: () => 0, add: (sum: number, order) => sum + order.amount });
declare const paymentSchema: Schema<Payment>;
p.inject("i", payments, fromFile("x", { schema: paymentSchema, timestamp: ({ amount }) => amount }));
// CASE 60 an injector's schema of another type than the stream
p.inject("i", orders, fromFile("x", { schema: paymentSchema }));
// CASE 61 a timestamp of a field that the schema does not give
p.inject("i", payments, fromFile("x", { schema: paymentSchema, timestamp: ({ total }) => total }));
// CASE 62 an iterable of another type, without a schema that makes it right
p.inject("i", orders, fromIterable(() => [{ value: { orderId: "1", amount: 2 }, position: 1 }]));
export { Misspelt };
