/**
 * Nexmark's queries as computations. Each gives results to `Tally`, which counts and hashes them in the store, exactly
 * once, and so stands for the sink. Windows are held as panes in the state of a key, and closed by timers.
 */
import { Computation, type Context, input, output, type Pipeline, state, stream, type StreamRecord, type Timer, timer, timers } from "../../src/index.ts";
import { fnv } from "../harness/results.ts";
import { now, type Probe } from "../harness/workload.ts";
import type { Query } from "./answers.ts";
import type { Bid, BidPart, Event, Part } from "./events.ts";

export const events = stream<Event>("events");
/** The same for the queries that read less of them: whole, or cut beside the source. */
export const parts = stream<Part>("events");
/** One row of a query's answer. `group`: for the tally, whose rows are by it. */
export interface Answer {
  readonly group: string;
  readonly row: readonly (number | string)[];
}
export const answers = stream<Answer>("answers");
/** What a first stage has of one window. */
interface Partial {
  readonly end: number;
  readonly rows: readonly (readonly number[])[];
}
const partials = stream<Partial>("partials");

interface BidderCount {
  readonly bidder: number;
  readonly count: number;
}
const counted = stream<BidderCount>("counted");

export const TUMBLE = 10_000;
export const SLIDE = 2_000;
export const GAP = 10_000;
/** Keys that results, and what is gathered of all keys, are spread over. */
export const GROUPS = 64;

export const groupOf = (n: number): string => `group ${n % GROUPS}`;
/** What a tally holds of one more row. */
export const HASH_SEEDS = [0x811c9dc5, 0x9747b28c] as const;
export const tallied = ([count, low, high]: readonly number[], row: readonly (number | string)[]): number[] => {
  const text = row.join();
  return [(count ?? 0) + 1, ((low ?? 0) + fnv(text, HASH_SEEDS[0])) >>> 0, ((high ?? 0) + fnv(text, HASH_SEEDS[1])) >>> 0];
};

export class Tally extends Computation {
  readonly from = input(answers, { key: ({ group }) => group });
  readonly tally = state<readonly number[]>("tally", { initial: [0, 0, 0] });
  override processRecord({ value: { row } }: StreamRecord<Answer>, context: Context): void {
    const tally = context.state(this.tally);
    tally.set(tallied(tally.get(), row));
  }
}

const isBid = (event: Part): event is BidPart => event.kind === "bid";
const endOf = (at: number, size: number): number => at - (at % size) + size;

/** q0, q1, q2: what becomes of each bid by itself. */
export class EachBid extends Computation {
  readonly from;
  readonly to = output(answers);
  readonly #rowOf: (bid: Bid) => readonly (number | string)[];
  constructor(rowOf: (bid: Bid) => readonly (number | string)[], where: (bid: Bid) => boolean = () => true) {
    super();
    this.from = input(events, { where: (event): event is Bid => event.kind === "bid" && where(event), key: (bid) => String(bid.auction) });
    this.#rowOf = rowOf;
  }
  override processRecord({ value }: StreamRecord<Bid>, context: Context): void {
    context.produce(this.to, { group: groupOf(value.auction), row: this.#rowOf(value) });
  }
}

/** q5, first: bids of an auction in the 10 s before each end of a slide, from counts by slide. */
export class SlidingCount extends Computation {
  readonly from = input(parts, { where: isBid, key: (bid) => String(bid.auction) });
  readonly to = output(partials);
  readonly panes = state("panes", { initial: new Map<number, number>() });
  readonly sliding = timers<number>("sliding");

  override processRecord({ value }: StreamRecord<BidPart>, context: Context): void {
    const first = endOf(value.at, SLIDE);
    const panes = context.state(this.panes);
    const known = panes.get().get(first);
    panes.update((counts) => void counts.set(first, (known ?? 0) + 1));
    if (known !== undefined) return;
    for (let end = first; end < first + TUMBLE; end += SLIDE) context.setTimer(this.sliding.for(end), end);
  }

  override processTimer({ time }: Timer<number>, context: Context): void {
    const panes = context.state(this.panes);
    let count = 0;
    for (const [end, each] of panes.get()) if (end <= time && end > time - TUMBLE) count += each;
    context.produce(this.to, { end: time, rows: [[Number(context.key), count]] });
    const past = time + SLIDE - TUMBLE;
    if (panes.get().has(past)) panes.update((counts) => void counts.delete(past));
    if (panes.get().size === 0) context.clear();
  }
}

/** q7, first: of the bids of a group of auctions in each window, those with the highest price. */
export class HighestOfGroup extends Computation {
  readonly from = input(parts, { where: isBid, key: (bid) => groupOf(bid.auction) });
  readonly to = output(partials);
  readonly best = state("best", { initial: new Map<number, readonly (readonly number[])[]>() });
  readonly closing = timers<number>("closing");

  override processRecord({ value }: StreamRecord<BidPart>, context: Context): void {
    const end = endOf(value.at, TUMBLE);
    const best = context.state(this.best);
    const known = best.get().get(end);
    const price = known?.[0]?.[0] ?? -1;
    if (value.price < price) return;
    const row = [value.price, value.auction, value.bidder, value.at];
    best.update((windows) => void windows.set(end, value.price === price ? [...(known ?? []), row] : [row]));
    if (known === undefined) context.setTimer(this.closing.for(end), end);
  }
  override processTimer({ time }: Timer<number>, context: Context): void {
    const best = context.state(this.best);
    context.produce(this.to, { end: time, rows: best.get().get(time) ?? [] });
    best.update((windows) => void windows.delete(time));
    if (best.get().size === 0) context.clear();
  }
}

/** q5 and q7, last: of all that the first stages have of a window, the rows whose value at `by` is the largest. */
export class LargestOfWindow extends Computation {
  readonly from = input(partials, { key: ({ end }) => String(end) });
  readonly to = output(answers);
  readonly rows = state<readonly (readonly number[])[]>("rows", { initial: [] });
  readonly closing = timer("closing");
  readonly #by: number;
  constructor(by: number) {
    super();
    this.#by = by;
  }
  override processRecord({ value: { end, rows } }: StreamRecord<Partial>, context: Context): void {
    const cell = context.state(this.rows);
    let kept = cell.get();
    // What comes of the end of a window bears that time, so it is all there a millisecond later.
    if (kept.length === 0) context.setTimer(this.closing, end + 1);
    for (const row of rows) {
      const most = kept[0]?.[this.#by] ?? -1;
      const value = row[this.#by] as number;
      if (value === most) kept = [...kept, row];
      else if (value > most) kept = [row];
    }
    if (kept !== cell.get()) cell.set(kept);
  }
  override processTimer({ time }: Timer, context: Context): void {
    for (const row of context.state(this.rows).get()) context.produce(this.to, { group: groupOf(row[1] as number), row: [time - 1, ...row] });
    context.clear();
  }
}

/** q8: people who open an auction in the window in which they came. */
export class NewSeller extends Computation {
  readonly from = input(parts, {
    where: (event): event is Exclude<Part, BidPart> => event.kind !== "bid",
    key: (event) => String(event.kind === "person" ? event.id : event.seller),
  });
  readonly to = output(answers);
  readonly seen = state("seen", { initial: new Map<number, { readonly name?: string; readonly sells?: boolean }>() });
  readonly closing = timers<number>("closing");

  override processRecord({ value }: StreamRecord<Exclude<Part, BidPart>>, context: Context): void {
    const end = endOf(value.at, TUMBLE);
    const cell = context.state(this.seen);
    const known = cell.get().get(end) ?? {};
    if (value.kind === "auction" && known.sells === true) return;
    const next = value.kind === "person" ? { ...known, name: value.name } : { ...known, sells: true };
    cell.update((windows) => void windows.set(end, next));
    context.setTimer(this.closing.for(end), end);
    const id = Number(context.key);
    if (next.name !== undefined && next.sells === true) context.produce(this.to, { group: groupOf(id), row: [id, next.name, end - TUMBLE] });
  }
  override processTimer({ time }: Timer<number>, context: Context): void {
    context.state(this.seen).update((windows) => void windows.delete(time));
    if (context.state(this.seen).get().size === 0) context.clear();
  }
}

/** Start, last event, bids. */
type Session = readonly [number, number, number];

/** q11: bids of a bidder in each session; two bids 10 s apart are in one. */
export class BidderSessions extends Computation {
  readonly from = input(parts, { where: isBid, key: (bid) => String(bid.bidder) });
  readonly to = output(answers);
  readonly open = state<readonly Session[]>("open", { initial: [] });
  readonly closing = timer("closing");

  override processRecord({ value }: StreamRecord<BidPart>, context: Context): void {
    let merged: Session = [value.at, value.at, 1];
    const others: Session[] = [];
    for (const session of context.state(this.open).get()) {
      if (session[0] - GAP <= merged[1] && merged[0] <= session[1] + GAP)
        merged = [Math.min(session[0], merged[0]), Math.max(session[1], merged[1]), session[2] + merged[2]];
      else others.push(session);
    }
    this.#keep([...others, merged], context);
  }
  override processTimer(_timer: Timer, context: Context): void {
    const left: Session[] = [];
    const bidder = Number(context.key);
    for (const session of context.state(this.open).get()) {
      if (session[1] + GAP < context.watermark) context.produce(this.to, { group: groupOf(bidder), row: [bidder, session[2], session[0], session[1] + GAP] });
      else left.push(session);
    }
    this.#keep(left, context);
  }
  #keep(open: readonly Session[], context: Context): void {
    if (open.length === 0) {
      context.clear();
      return;
    }
    context.state(this.open).set(open);
    context.setTimer(this.closing, Math.min(...open.map((session) => session[1])) + GAP + 1);
  }
}

/** q12: bids of a bidder in each window of processing time. What is counted of which is the clock's; none may be missing. */
export class BidderWallWindows extends Computation {
  readonly from = input(parts, { where: isBid, key: (bid) => String(bid.bidder) });
  readonly to = output(counted);
  readonly counts = state("counts", { initial: new Map<number, number>() });
  readonly closing = timers<number>("closing", { clock: "wall" });
  readonly #windowMs: number;
  readonly #probe: Probe;
  constructor(windowMs: number, probe: Probe) {
    super();
    this.#windowMs = windowMs;
    this.#probe = probe;
  }
  override processRecord(_bid: StreamRecord<BidPart>, context: Context): void {
    // The rest of the run is waiting for the clock.
    this.#probe.notes["processedAt"] = now();
    const end = endOf(context.now(), this.#windowMs);
    const counts = context.state(this.counts);
    if (!counts.get().has(end)) context.setTimer(this.closing.for(end), end);
    counts.update((windows) => void windows.set(end, (windows.get(end) ?? 0) + 1));
  }
  override processTimer({ time }: Timer<number>, context: Context): void {
    const counts = context.state(this.counts);
    context.produce(this.to, { bidder: Number(context.key), count: counts.get().get(time) ?? 0 });
    counts.update((windows) => void windows.delete(time));
    if (counts.get().size === 0) context.clear();
  }
}

/** The sum of a bidder's windows does not depend on the clock. */
export class BidderTotal extends Computation {
  readonly from = input(counted, { key: ({ bidder }) => String(bidder) });
  readonly total = state("tally", { initial: 0 });
  override processRecord({ value }: StreamRecord<BidderCount>, context: Context): void {
    context.state(this.total).update((total) => total + value.count);
  }
}

/** The query behind the events, up to its answers. */
export function queried(pipeline: Pipeline, query: Exclude<Query, "q12">): Pipeline {
  switch (query) {
    case "q0":
      return pipeline.compute("query", () => new EachBid((bid) => [bid.auction, bid.bidder, bid.price, bid.channel, bid.url, bid.at, bid.extra]));
    case "q1":
      return pipeline.compute("query", () => new EachBid((bid) => [bid.auction, bid.bidder, bid.price * 0.908, bid.at, bid.extra]));
    case "q2":
      return pipeline.compute(
        "query",
        () =>
          new EachBid(
            (bid) => [bid.auction, bid.price],
            (bid) => bid.auction % 123 === 0,
          ),
      );
    case "q5":
      return pipeline.compute("query", SlidingCount).compute("largest", () => new LargestOfWindow(1));
    case "q7":
      return pipeline.compute("query", HighestOfGroup).compute("largest", () => new LargestOfWindow(0));
    case "q8":
      return pipeline.compute("query", NewSeller);
    case "q11":
      return pipeline.compute("query", BidderSessions);
  }
}
