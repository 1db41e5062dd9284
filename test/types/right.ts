/** Programs that must compile as they stand, without an annotation more: what the types promise not to be in the way of. */
import {
  boundedDisorder, cbor, type Codec, Computation, type Context, exponential, hours, type Injector, type Input, input, injector, json, minutes, type Output, output, Pipeline, type Schema,
  seconds, sink, state, stream, type StreamRecord, type Timer, timer, timers,
} from "millrace";
import { fromFile, fromIterable, toCallback, toFile } from "./edges.ts";

// ── state with a default, the context's key, a value that is a string ───────────────────────────────────────────────
const words = stream<string>("words");
const totals = stream<{ word: string; count: number }>("totals");

class Total extends Computation {
  readonly words = input(words, { key: (word) => word.toLowerCase() });
  readonly totals = output(totals);
  readonly count = state("count", { initial: 0 });

  processRecord(_record: StreamRecord<string>, context: Context) {
    const count = context.state(this.count).get() + 1;
    context.state(this.count).set(count);
    context.produce(this.totals, { word: context.key, count });
  }
}

// ── tagged event timers, a map changed in place, configuration in a private field ──────────────────────────────────
interface Reading { sensor: string; celsius: number; at: number }
interface Hourly { sensor: string; from: number; mean: number }
const readings = stream<Reading>("readings");
const means = stream<Hourly>("means");

class HourlyMean extends Computation {
  readonly readings = input(readings, { key: (reading) => reading.sensor });
  readonly means = output(means);
  readonly sums = state("sums", { initial: new Map<number, { sum: number; n: number }>() });
  readonly closing = timers<number>("closing");
  readonly #length: number;

  constructor(options: { length: number }) {
    super();
    this.#length = options.length;
  }

  processRecord(record: StreamRecord<Reading>, context: Context) {
    const from = record.timestamp - (record.timestamp % this.#length);
    context.state(this.sums).update((sums) => {
      const { sum, n } = sums.get(from) ?? { sum: 0, n: 0 };
      return sums.set(from, { sum: sum + record.value.celsius, n: n + 1 });
    });
    context.setTimer(this.closing.for(from), from + this.#length);
  }

  processTimer(timer: Timer<number>, context: Context) {
    const of = context.state(this.sums).get().get(timer.tag);
    if (of) context.produce(this.means, { sensor: context.key, from: timer.tag, mean: of.sum / of.n }, { timestamp: Math.max(timer.time, context.outputFloor) });
    context.state(this.sums).update((sums) => { sums.delete(timer.tag); });
  }
}

// ── two inputs of two types, state that may be absent, one timer a key, `override` where one likes it ───────────────
interface Departure { train: string; due: number }
interface Arrival { train: string; at: number; notes?: string[] }
const departures = stream<Departure>("departures");
const arrivals = stream<Arrival>("arrivals");
const overdue = stream<Departure>("overdue");
const journeys = stream<{ departure: Departure; arrival: Arrival }>("journeys");

type Sighting = { kind: "train"; id: string } | { kind: "bus"; line: number };
const sightings = stream<Sighting>("sightings");

/** A filter that is a type guard narrows what the records are. */
class Trains extends Computation {
  readonly trains = input(sightings, { where: (each): each is Sighting & { kind: "train" } => each.kind === "train", key: (train) => train.id });
  readonly early = input(sightings, { name: "early", where: (each) => each.kind === "bus" && each.line < 10, key: (each) => each.kind });
  processRecord(record: StreamRecord<Sighting>, context: Context) {
    if (record.is(this.trains)) context.log.info(record.value.id);
  }
}
void Trains;

class Journeys extends Computation {
  readonly departures = input(departures, { key: (departure) => departure.train });
  readonly arrivals = input(arrivals, { key: (arrival) => arrival.train, name: "arrived", renamedFrom: "arrivals" });
  readonly overdue = output(overdue);
  readonly journeys = output(journeys);
  readonly departure = state<Departure>("departure", { ttl: hours(48) });
  readonly arrival = state<Arrival>("arrival", { renamedFrom: ["came", "landed"] });
  readonly deadline = timer("deadline");

  override processRecord(record: StreamRecord<Departure> | StreamRecord<Arrival>, context: Context) {
    if (record.is(this.departures)) context.state(this.departure).set(record.value);
    else if (record.is(this.arrivals)) context.state(this.arrival).set(record.value);
    const departure = context.state(this.departure).get();
    const arrival = context.state(this.arrival).get();
    if (departure && arrival) {
      context.produce(this.journeys, { departure, arrival });
      context.clear();
    } else context.setTimer(this.deadline, (departure?.due ?? record.timestamp) + minutes(15));
  }

  override processTimer(_timer: Timer, context: Context) {
    const departure = context.state(this.departure).get();
    if (departure) context.produce(this.overdue, departure);
    context.clear();
  }
}

// ── two inputs of one type, wall timers, holds, a handle that TypeScript hides ─────────────────────────────────────
interface Quote { symbol: string; price: number }
const bids = stream<Quote>("bids");
const asks = stream<Quote>("asks");
const spreads = stream<{ symbol: string; spread: number }>("spreads");

class Spread extends Computation {
  readonly bids = input(bids, { key: (quote) => quote.symbol });
  readonly asks = input(asks, { key: (quote) => quote.symbol });
  readonly spreads = output(spreads);
  readonly bid = state("bid", { initial: 0 });
  readonly ask = state("ask", { initial: 0 });
  private readonly reminder = timer("reminder", { clock: "wall" });
  readonly deadline = timer("deadline");

  processRecord(record: StreamRecord<Quote>, context: Context) {
    if (record.is(this.bids)) context.state(this.bid).set(record.value.price);
    else context.state(this.ask).set(record.value.price);
    context.setTimer(this.reminder, context.now() + minutes(1), { output: "none" });
    context.produce(this.spreads, { symbol: context.key, spread: context.state(this.ask).get() - context.state(this.bid).get() });
  }

  processTimer(timer: Timer, context: Context) {
    if (timer.is(this.deadline)) context.hold(undefined);
    else if (timer.is(this.reminder)) context.hold(timer.time);
    context.log.info("held", { clock: timer.clock });
  }
}

// ── reusable: the streams come in from outside, T is not known here; async; tags that are words ────────────────────
class Last<T> extends Computation {
  readonly from: Input<T>;
  readonly to: Output<T[]>;
  readonly last = state<T[]>("last", { initial: [], codec: cbor() });
  readonly flush = timers<"soon" | "late">("flush");
  readonly soon = this.flush.for("soon");

  constructor(options: { from: Input<T>; to: Output<T[]> }) {
    super();
    this.from = options.from;
    this.to = options.to;
  }

  async processRecord(record: StreamRecord<T>, context: Context) {
    await Promise.resolve(context.signal.aborted);
    context.state(this.last).update((last) => [...last.slice(-9), record.value]);
    context.setTimer(this.soon, record.timestamp + 1);
    context.deleteTimer(this.flush.for("late"));
  }

  async processTimer(timer: Timer<"soon" | "late">, context: Context) {
    if (timer.tag === "soon") context.produce(this.to, [...context.state(this.last).get()]);
  }
}

// ── a schema gives the type; a codec keeps a class with methods; JSON ──────────────────────────────────────────────
interface Click { user: string; at: number; tags: string[]; page?: string | undefined }
declare const ClickSchema: Schema<Click>;
const clicks = stream("clicks", { schema: ClickSchema });
export const checkedEdges = [
  fromFile("clicks.ndjson", { schema: ClickSchema, timestamp: (click) => click.at }),
  fromIterable(() => [{ value: "whatever the schema takes", position: 1 }], { schema: ClickSchema, id: ({ user }) => user }),
  injector({ ...({} as Injector<unknown>), schema: ClickSchema }),
] satisfies Injector<Click>[];
const lastClicks = stream<Click[]>("last-clicks", { codec: json() });

class Money {
  readonly cents: number;
  constructor(cents: number) { this.cents = cents; }
  plus(other: Money) { return new Money(this.cents + other.cents); }
}
declare const moneyCodec: Codec<Money>;
const amounts = stream("amounts", { codec: moneyCodec });

class Sum extends Computation {
  readonly amounts = input(amounts, { key: () => "all" });
  readonly sum = state("sum", { codec: moneyCodec, initial: new Money(0) });
  processRecord(record: StreamRecord<Money>, context: Context) {
    context.state(this.sum).update((sum) => sum.plus(record.value));
  }
}

// ── values that survive the store: dates, maps, sets, bytes, big integers, unions, tuples, unknown ─────────────────
type Shape = { kind: "circle"; radius: number } | { kind: "polygon"; corners: readonly [number, number][] };
export const survives = [
  stream<Shape>("shapes"), stream<Date>("dates"), stream<Map<string, Set<bigint>>>("maps"), stream<Uint8Array>("bytes"), stream<unknown>("anything"), stream<undefined>("nothing"),
  state<{ readonly at: Date; list: readonly Shape[] } | null>("mixed", { initial: null }),
];

// ── a later kind of state: a new function and a new access; `Context` does not change ──────────────────────────────
interface MapAccess<K, V> { get(key: K): Promise<V | undefined>; set(key: K, value: V): void; range(from: K, to: K): AsyncIterable<[K, V]> }
declare function mapState<K extends string | number, V>(name: string): import("millrace").StateCell<MapAccess<K, V>>;

class Worst extends Computation {
  readonly from: Input<Click>;
  readonly worst = output(totals);
  readonly pages = mapState<string, number>("pages");
  constructor(options: { from: Input<Click> }) { super(); this.from = options.from; }
  async processRecord(record: StreamRecord<Click>, context: Context) {
    const before = (await context.state(this.pages).get(record.value.user)) ?? 0;
    context.state(this.pages).set(record.value.user, before + 1);
    context.produce(this.worst, { word: context.key, count: before + 1 });
  }
}

// ── a fluent layer over the same handles: a class slots in, and its outputs come out typed ─────────────────────────
interface Flow<T> { map<U>(f: (value: T) => U): Flow<U>; keyBy(key: (value: T) => string): KeyedFlow<T> }
type Flows<C> = { readonly [K in keyof C as C[K] extends Output<never> ? K : never]: C[K] extends Output<infer T> ? Flow<T> : never };
interface KeyedFlow<T> { process<C extends Computation>(name: string, make: (from: Input<T>) => C): Flows<C> }
export function fluent(flow: Flow<Click>) {
  const { worst } = flow.keyBy((click) => click.user).process("worst", (from) => new Worst({ from }));
  return worst.map((each) => each.count.toFixed()).keyBy((text) => text);
}

// ── pipelines ──────────────────────────────────────────────────────────────────────────────────────────────────────
export default new Pipeline("right", { shards: 256 })
  .inject("words", words, fromFile("words.ndjson"), { maxSkew: hours(1) })
  .inject("readings", readings, fromFile("readings.ndjson", { timestamp: (reading) => reading.at, id: (reading) => `${reading.sensor}/${reading.at}` }))
  .inject("departures", departures, fromFile("departures.ndjson", { timestamp: (departure) => departure.due, watermark: boundedDisorder(seconds(5), { idleAfter: minutes(1) }) }))
  .inject("arrivals", arrivals, fromFile("arrivals.ndjson", { timestamp: (arrival) => arrival.at, maxAhead: minutes(1) }), { renamedFrom: "landings" })
  .inject("clicks", clicks, injector(fromFile("clicks.ndjson")))
  .compute("total", Total)
  .compute("hourly-mean", () => new HourlyMean({ length: hours(1) }), { renamedFrom: ["mean"] })
  .compute("journeys", Journeys, { onFailure: "halt-key", attempts: 8, backoff: exponential(seconds(1), hours(1)), timeLimit: minutes(1) })
  .compute("spread", Spread)
  .compute("last-clicks", () => new Last({ from: input(clicks, { key: (click) => click.user }), to: output(lastClicks) }))
  .compute("sum", Sum)
  .sink("means", means, toFile("means.ndjson"))
  .sink("overdue", overdue, toCallback(async (record) => { console.log(record.key, record.value.train); }))
  .sink("last", lastClicks, sink(toCallback((record: StreamRecord<Click[]>) => { console.log(record.value.at(-1)?.page); })), { renamedFrom: "latest" });
