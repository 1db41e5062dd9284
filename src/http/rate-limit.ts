/**
 * How many requests each client may make: a bucket of tokens for each remote address, filled at the rate and as large as what
 * it gets in a second. It knows addresses alone; who is none of the clients, as another worker, is not asked about here.
 *
 * L1  What it keeps is bounded: of `CLIENTS` addresses, those that asked last. One that is forgotten begins with a full
 *     bucket, as one that was never seen.
 */
import { isIPv4 } from "node:net";

const CLIENTS = 4_096;
/** Of one client, unless the options say otherwise. */
const REQUESTS_PER_SECOND = 2_000;
/** What a request takes of a bucket that gets `perSecond` a millisecond. */
const REQUEST = 1_000;

/** Requests a second of one client; undefined: any number. */
export function rateOf(option: number | false | undefined, beyondLoopback: boolean): number | undefined {
  if (option === undefined) return beyondLoopback ? REQUESTS_PER_SECOND : undefined;
  return option === false ? undefined : option;
}

interface Bucket {
  /** In thousandths, so that they are whole numbers. */
  tokens: number;
  at: number;
}

export class RateLimit {
  readonly #perSecond: number;
  /** The one that asked last is last. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Counts a request; 0: it may be made; else the ms after which the next one may. */
  wait(address: string, now: number): number {
    const client = clientOf(address);
    const bucket = this.#buckets.get(client) ?? { tokens: this.#perSecond * REQUEST, at: now };
    // A clock that was set back gives nothing.
    const since = Math.max(0, now - bucket.at);
    bucket.tokens = Math.min(this.#perSecond * REQUEST, bucket.tokens + since * this.#perSecond);
    bucket.at = now;
    this.#buckets.delete(client);
    this.#buckets.set(client, bucket);
    if (this.#buckets.size > CLIENTS) this.#buckets.delete(this.#buckets.keys().next().value as string);
    if (bucket.tokens < REQUEST) return Math.ceil((REQUEST - bucket.tokens) / this.#perSecond);
    bucket.tokens -= REQUEST;
    return 0;
  }
}

/** Of IPv6 the first 64 bits: whoever has those has all addresses behind them. */
function clientOf(address: string): string {
  const mapped = /^::ffff:(.*)$/i.exec(address)?.[1] ?? address;
  if (isIPv4(mapped) || !mapped.includes(":")) return mapped;
  const [head = "", tail] = (mapped.split("%", 1)[0] ?? "").split("::");
  const [before, after] = [head === "" ? [] : head.split(":"), tail === undefined || tail === "" ? [] : tail.split(":")];
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0");
  return [...before, ...zeros, ...after].slice(0, 4).join(":");
}
