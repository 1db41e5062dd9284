/**
 * Nexmark's events, after its public definition: of 50 events 1 is a person, 3 are auctions, 46 are bids; the hot ones,
 * prices, and who may bid on what are drawn as it says. Event n is the same in every run. Event time goes on by
 * 1/10,000 s an event.
 *
 * N1  A bidder is a person: the original adds the first person's id twice to bidders, which here is put right.
 * N2  A bid may be on an auction that is yet to come, and by a person who is.
 */
import { drawn } from "../counter-pipeline.ts";

export interface Person {
  readonly kind: "person";
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly card: string;
  readonly city: string;
  readonly state: string;
  readonly at: number;
  readonly extra: string;
}
export interface Auction {
  readonly kind: "auction";
  readonly id: number;
  readonly item: string;
  readonly initial: number;
  readonly reserve: number;
  readonly expires: number;
  readonly seller: number;
  readonly category: number;
  readonly at: number;
  readonly extra: string;
}
export interface Bid {
  readonly kind: "bid";
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly channel: string;
  readonly url: string;
  readonly at: number;
  readonly extra: string;
}
export type Event = Person | Auction | Bid;

/** What the queries with state read of events. */
export type Part = Pick<Person, "kind" | "id" | "name" | "at"> | Pick<Auction, "kind" | "id" | "seller" | "at"> | BidPart;
export type BidPart = Pick<Bid, "kind" | "auction" | "bidder" | "price" | "at">;

export function partOf(event: Event): Part {
  const { kind, at } = event;
  if (kind === "bid") return { kind, auction: event.auction, bidder: event.bidder, price: event.price, at };
  if (kind === "auction") return { kind, id: event.id, seller: event.seller, at };
  return { kind, id: event.id, name: event.name, at };
}

export interface Events {
  readonly events: number;
  /** Events of one group of so many come in a mixed-up order; 1: all in order. */
  readonly disorder: number;
}

/** Event time of event 0, ms; a multiple of every window. */
export const START = 1_700_000_000_000;
const PER_MS = 10;
/** What the watermark is behind the largest event time, ms. */
export const BEHIND = 4_000;

const [PEOPLE, AUCTIONS, EPOCH] = [1, 3, 50];
const FIRST_ID = 1_000;
const HOT_BATCH = 100;
const [ACTIVE_PEOPLE, IN_FLIGHT, LEAD] = [1_000, 100, 10];
const CHANNELS = ["Google", "Facebook", "Baidu", "Apple"];
const STATES = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES = ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
/** Bytes by which an event is filled up, in the mean, to 200 (a person), 500 and 100 (a bid). */
const FILL = { person: 100, auction: 400, bid: 20 };
const FILLING = "abcdefghijklmnopqrstuvwxyz".repeat(20);

/** The nth event to come. */
export function eventAt(n: number, { disorder }: Events): Event {
  if (disorder <= 1) return event(n);
  return event(Math.floor(n / disorder) * disorder + ((n * 953) % disorder));
}

function event(n: number): Event {
  const offset = n % EPOCH;
  const at = START + Math.floor(n / PER_MS);
  let seed = 0;
  const draw = (): number => drawn(n, ++seed);
  const below = (limit: number): number => Math.floor(draw() * limit);
  const price = (): number => Math.round(10 ** (6 * draw()) * 100);
  const extra = (mean: number): string => FILLING.slice(0, Math.round(mean * (0.8 + 0.4 * draw())));
  const people = Math.floor(n / EPOCH) + 1;
  const person = (): number => {
    const active = Math.min(people, ACTIVE_PEOPLE);
    return FIRST_ID + people - active + below(active + LEAD);
  };
  const hotPerson = Math.floor((people - 1) / HOT_BATCH) * HOT_BATCH;
  const auction = lastAuction(n);
  if (offset < PEOPLE) {
    const id = FIRST_ID + people - 1;
    const card = String(10 ** 15 + below(9 * 10 ** 15));
    const place = { city: CITIES[below(CITIES.length)] as string, state: STATES[below(STATES.length)] as string };
    return { kind: "person", id, name: `person ${id}`, email: `${id}@nexmark.example`, card, ...place, at, extra: extra(FILL.person) };
  }
  if (offset < PEOPLE + AUCTIONS) {
    const seller = draw() < 3 / 4 ? FIRST_ID + hotPerson : person();
    const initial = price();
    const horizon = Math.ceil((100 * EPOCH) / AUCTIONS / PER_MS);
    const prices = { initial, reserve: initial + price(), expires: at + 1 + below(2 * horizon) };
    return { kind: "auction", id: FIRST_ID + auction, item: `item ${auction}`, ...prices, seller, category: 10 + below(5), at, extra: extra(FILL.auction) };
  }
  const least = Math.max(auction - IN_FLIGHT, 0);
  const on = draw() < 1 / 2 ? Math.floor(auction / HOT_BATCH) * HOT_BATCH : least + below(auction - least + 1 + LEAD);
  const bidder = draw() < 3 / 4 ? FIRST_ID + hotPerson + 1 : person();
  const numbered = below(10_000);
  const channel = draw() < 1 / 2 ? (CHANNELS[numbered % CHANNELS.length] as string) : `channel-${numbered}`;
  const url = `https://nexmark.example/item${draw() < 9 / 10 ? `?channel_id=${numbered}` : ""}`;
  return { kind: "bid", auction: FIRST_ID + on, bidder, price: price(), channel, url, at, extra: extra(FILL.bid) };
}

/** The number of the newest auction as of event n. */
function lastAuction(n: number): number {
  const [epoch, offset] = [Math.floor(n / EPOCH), n % EPOCH];
  if (offset < PEOPLE) return Math.max(0, epoch * AUCTIONS - 1);
  return epoch * AUCTIONS + Math.min(offset - PEOPLE, AUCTIONS - 1);
}
