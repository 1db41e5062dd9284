/**
 * Delivery of productions to other atomic domains: takes what is stored in the outboxes of this worker's shards to the
 * inboxes it is for, and tells the outboxes what came of it. Which entries there are, and in what order, is `outbox.ts`.
 *
 * L1  To each domain one call is under way at a time, so what is in a later one is behind what is in an earlier one.
 * L2  A call without an answer is sent again, unchanged, until there is one: what it appends, it appends once, for the
 *     receiver keeps the last place of each channel.
 * L3  Nothing waits for the receivers to have room: their senders pause instead (`backlog.ts`), so delivery always goes on.
 */
import type { DeliverReply, Delivery as Entry } from "../store/index.ts";
import { Arrivals } from "./arrivals.ts";
import type { Engine } from "./engine.ts";
import type { OwnedShard } from "./owned-shard.ts";

/** What one call takes at most; one entry may overshoot the bytes. */
const MOST = { entries: 512, bytes: 4 << 20 };
const RESEND_FIRST = 20;
const RESEND_MOST = 1_000;

interface CallUnderWay {
  readonly call: number;
  readonly domain: number;
  readonly deliveries: readonly Entry[];
  /** Of each delivery, whose it is: an answer is of no interest to one who has acquired the shard again. */
  readonly senders: readonly OwnedShard[];
  tries: number;
  resendAt: number;
}

export class Delivery {
  readonly #engine: Engine;
  /** Shards that have something for a domain, whoever waits longest first. */
  readonly #waiting = new Map<number, Set<OwnedShard>>();
  /** By domain. */
  readonly #calls = new Map<number, CallUnderWay>();
  #next = 1;
  /** Since the start. `again`: found to have been there already. `lost`: taken after entries that are lost. */
  readonly counted = { calls: 0, resends: 0, delivered: 0, again: 0, lost: 0, dropped: 0 };

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The shard may have something to deliver. */
  look(shard: OwnedShard): void {
    for (const domain of shard.outbox.domains()) {
      const waiting = this.#waiting.get(domain);
      if (waiting === undefined) this.#waiting.set(domain, new Set([shard]));
      else waiting.add(shard);
    }
  }

  /** A commit of the shard is acknowledged: what it stored may be delivered. */
  stored(shard: OwnedShard, number: number): void {
    shard.outbox.acknowledge(number);
    this.look(shard);
  }

  forget(shard: OwnedShard): void {
    for (const waiting of this.#waiting.values()) waiting.delete(shard);
  }

  /** The store is another: what was to be delivered may never have been produced. */
  forgetAll(): void {
    this.#waiting.clear();
    this.#calls.clear();
  }

  tick(): void {
    const { now } = this.#engine;
    for (const under of this.#calls.values()) {
      if (under.resendAt > now) continue;
      under.resendAt = Number.POSITIVE_INFINITY;
      this.counted.resends++;
      this.#engine.effect({ kind: "deliver", call: under.call, deliveries: under.deliveries });
    }
    for (const [domain, waiting] of this.#waiting) if (waiting.size > 0 && !this.#calls.has(domain)) this.#begin(domain, waiting);
  }

  #begin(domain: number, waiting: Set<OwnedShard>): void {
    const deliveries: Entry[] = [];
    const senders: OwnedShard[] = [];
    for (const shard of [...waiting]) {
      waiting.delete(shard);
      const more = shard.outbox.collect(domain, deliveries, MOST);
      while (senders.length < deliveries.length) senders.push(shard);
      if (!more) continue;
      waiting.add(shard);
      break;
    }
    if (deliveries.length === 0) return;
    const call = this.#next++;
    this.#calls.set(domain, { call, domain, deliveries, senders, tries: 0, resendAt: Number.POSITIVE_INFINITY });
    this.counted.calls++;
    this.#engine.effect({ kind: "deliver", call, deliveries });
  }

  wakeAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const { resendAt } of this.#calls.values()) at = Math.min(at, resendAt);
    return at;
  }

  /** The answer to `deliver`; undefined: there is none, and it may have been carried out or not. */
  answered(call: number, reply: DeliverReply | undefined): void {
    const under = [...this.#calls.values()].find((each) => each.call === call);
    if (under === undefined) return;
    if (reply === undefined) {
      under.resendAt = this.#engine.now + Math.min(RESEND_FIRST * 2 ** under.tries, RESEND_MOST);
      under.tries++;
      return;
    }
    this.#calls.delete(under.domain);
    const arrivals = new Arrivals(this.#engine);
    under.deliveries.forEach((delivery, i) => this.#settle(under.senders[i] as OwnedShard, delivery, reply.outcomes[i], arrivals));
    arrivals.learn(under.domain, reply.tails, reply.appends);
    for (const shard of new Set(under.senders)) {
      if (this.#engine.shards.get(shard.ref) !== shard) continue;
      this.look(shard);
      this.#engine.wake(shard);
    }
    this.#engine.reporter.changed();
  }

  #settle(sender: OwnedShard, delivery: Entry, told: DeliverReply["outcomes"][number] | undefined, arrivals: Arrivals): void {
    if (told === undefined) return;
    const { outcome, mark } = told;
    if (outcome === "delivered" || outcome === "after-loss") arrivals.add({ target: delivery.to, records: delivery.records, bytes: delivery.bytes });
    if (outcome === "duplicate") arrivals.resent([{ target: delivery.to }]);
    if (this.#engine.shards.get(sender.ref) !== sender) return;
    const settled = sender.outbox.settle(delivery, outcome, mark);
    this.counted[settled]++;
    if (settled !== "lost") return;
    const where = `from shard ${delivery.from} to shard ${delivery.to}, before place ${delivery.place.monotonic}/${delivery.place.n}`;
    this.#engine
      .logOf(sender.name, undefined)
      .error(`the store has lost the tail of a channel ${where}: what was lost there was delivered or produced once more, or never`);
  }
}
