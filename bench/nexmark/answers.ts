/** The queries' answers by plain code over all events at once: what pipelines must come to. It shares no code with them but the windows' sizes. */
import type { Results } from "../harness/results.ts";
import { type Auction, type Bid, type Event, eventAt, type Events, type Person } from "./events.ts";
import { GAP, groupOf, SLIDE, tallied, TUMBLE } from "./queries.ts";

type Row = readonly (number | string)[];

export const QUERIES = ["q0", "q1", "q2", "q5", "q7", "q8", "q11", "q12"] as const;
export type Query = (typeof QUERIES)[number];

/** Adds what the store must hold in the end. */
export function expectAnswers(query: Query, load: Events, results: Results): void {
  const { all, bids } = inOrder(load);
  if (query === "q12") {
    for (const [bidder, of] of grouped(bids, (bid) => bid.bidder)) results.add("tally", "tally", String(bidder), of.length);
    return;
  }
  const tallies = new Map<string, number[]>();
  for (const [about, row] of rowsOf(query, all, bids)) tallies.set(groupOf(about), tallied(tallies.get(groupOf(about)) ?? [], row));
  for (const [group, tally] of tallies) results.add("tally", "tally", group, tally);
}

/** The same rows as texts, for an end that takes texts. */
export function answerTexts(query: Exclude<Query, "q12">, load: Events): string[] {
  const { all, bids } = inOrder(load);
  return rowsOf(query, all, bids).map(([, row]) => row.join());
}

function inOrder(load: Events): { readonly all: readonly Event[]; readonly bids: readonly Bid[] } {
  const all = Array.from({ length: load.events }, (_, n) => eventAt(n, load)).sort((a, b) => a.at - b.at);
  return { all, bids: all.filter((event): event is Bid => event.kind === "bid") };
}

/** Rows, each with the id that it is grouped by. */
function rowsOf(query: Exclude<Query, "q12">, all: readonly Event[], bids: readonly Bid[]): (readonly [number, Row])[] {
  switch (query) {
    case "q0":
      return bids.map((bid) => [bid.auction, [bid.auction, bid.bidder, bid.price, bid.channel, bid.url, bid.at, bid.extra]]);
    case "q1":
      return bids.map((bid) => [bid.auction, [bid.auction, bid.bidder, bid.price * 0.908, bid.at, bid.extra]]);
    case "q2":
      return bids.filter((bid) => bid.auction % 123 === 0).map((bid) => [bid.auction, [bid.auction, bid.price]]);
    case "q5":
      return hottest(bids);
    case "q7":
      return [...grouped(bids, (bid) => Math.floor(bid.at / TUMBLE))].flatMap(([window, of]) => {
        const most = of.reduce((price, bid) => Math.max(price, bid.price), 0);
        const best = of.filter((bid) => bid.price === most);
        return best.map((bid) => [bid.auction, [(window + 1) * TUMBLE, bid.price, bid.auction, bid.bidder, bid.at]] as const);
      });
    case "q8":
      return newSellers(all);
    case "q11":
      return [...grouped(bids, (bid) => bid.bidder)].flatMap(([bidder, of]) => sessionsOf(bidder, of));
  }
}

function hottest(bids: readonly Bid[]): (readonly [number, Row])[] {
  const rows: (readonly [number, Row])[] = [];
  const slides = grouped(bids, (bid) => Math.floor(bid.at / SLIDE));
  const [first, last] = [Math.min(...slides.keys()), Math.max(...slides.keys())];
  for (let slide = first; slide < last + TUMBLE / SLIDE; slide++) {
    const counts = new Map<number, number>();
    for (let pane = slide - TUMBLE / SLIDE + 1; pane <= slide; pane++)
      for (const { auction } of slides.get(pane) ?? []) counts.set(auction, (counts.get(auction) ?? 0) + 1);
    const most = Math.max(...counts.values());
    for (const [auction, count] of counts) if (count === most) rows.push([count, [(slide + 1) * SLIDE, auction, count]]);
  }
  return rows;
}

function newSellers(all: readonly Event[]): (readonly [number, Row])[] {
  const people = all.filter((event): event is Person => event.kind === "person");
  const windowOf = (at: number): number => Math.floor(at / TUMBLE);
  const sold = new Set(all.filter((event): event is Auction => event.kind === "auction").map(({ seller, at }) => `${seller} in ${windowOf(at)}`));
  return people.filter(({ id, at }) => sold.has(`${id} in ${windowOf(at)}`)).map(({ id, name, at }) => [id, [id, name, windowOf(at) * TUMBLE]]);
}

/** Of one bidder's bids, in order of time. */
function sessionsOf(bidder: number, bids: readonly Bid[]): (readonly [number, Row])[] {
  const rows: (readonly [number, Row])[] = [];
  let from = 0;
  for (let i = 1; i <= bids.length; i++) {
    const before = (bids[i - 1] as Bid).at;
    if (i < bids.length && (bids[i] as Bid).at - before <= GAP) continue;
    rows.push([bidder, [bidder, i - from, (bids[from] as Bid).at, before + GAP]]);
    from = i;
  }
  return rows;
}

function grouped<T>(items: readonly T[], by: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const known = groups.get(by(item));
    if (known === undefined) groups.set(by(item), [item]);
    else known.push(item);
  }
  return groups;
}
