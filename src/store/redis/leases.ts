/** Who owns which shards: acquired one by one, kept by one entry for all that a worker has in an atomic domain, given up one by one. */
import type { ShardRef } from "../../key.ts";
import type { Random } from "../../random.ts";
import type { AcquireOutcome, AcquireRequest, Lease } from "../store.ts";
import type { Calls } from "./calls.ts";
import { divided } from "./divided.ts";
import type { Keys } from "./keys.ts";
import { asList, asNumber, asText } from "./reply.ts";
import type { Request } from "./request.ts";
import { ACQUIRE, RELEASE, RENEW } from "./scripts.ts";

export class Leases {
  readonly #keys: Keys;
  readonly #random: Random;
  readonly #byDomain: readonly Calls[];
  /** By domain and worker, the id of the lease that was made last. */
  readonly #made = new Map<string, string>();
  /** Leases that were to be made. */
  #count = 0;

  constructor(keys: Keys, random: Random, byDomain: readonly Calls[]) {
    this.#keys = keys;
    this.#random = random;
    this.#byDomain = byDomain;
  }

  async acquire({ worker, shards, leaseMs, steal = false }: AcquireRequest): Promise<AcquireOutcome[]> {
    const domainOf = (shard: ShardRef): number => this.#keys.domainOf(shard);
    return divided(shards, domainOf, async (part, domain) => {
      const request = this.#begin(domain, part, true).text(worker).integer(leaseMs);
      request.integer(steal ? 1 : 0);
      for (let i = 0; i < part.length; i++) request.text(this.#random.id());
      const [now, outcomes] = asList(await this.#byDomain[domain]!.run(ACQUIRE, request));
      return asList(outcomes).map((outcome): AcquireOutcome => {
        const [letter, text, third] = asList(outcome);
        if (ACQUIRE.outcomes[asText(letter)] === "acquired")
          return { kind: "acquired", sequencer: asText(text), now: asNumber(now), abandoned: asNumber(third) === 1 };
        return { kind: "held-by", worker: asText(text), until: asNumber(third) };
      });
    });
  }

  async renew(worker: string, leases: readonly Lease[], leaseMs: number, confirm: boolean): Promise<{ lost: ShardRef[]; now: number }> {
    let time = 0;
    const outcomes = await this.#divided(leases, async (part, domain) => {
      const name = `${domain} ${worker}`;
      const made = this.#made.get(name);
      // Until there is an answer it is not known which one there is.
      this.#made.delete(name);
      const next = `${this.#random.id()}.${++this.#count}`;
      const request = this.#begin(domain, part.map(shardOf), true).text(worker).integer(leaseMs);
      request.text(confirm ? "" : (made ?? "")).text(next);
      for (const { sequencer } of part) request.text(sequencer);
      const [now, letters] = asList(await this.#byDomain[domain]!.run(RENEW, request));
      time = Math.max(time, asNumber(now));
      const told = asText(letters);
      this.#made.set(name, told === "" && made !== undefined ? made : next);
      return part.map((_, i) => (told === "" ? "renewed" : RENEW.outcomes[told.charAt(i)]));
    });
    return { lost: leases.filter((_, i) => outcomes[i] === "lost").map(shardOf), now: time };
  }

  async release(worker: string, leases: readonly Lease[]): Promise<void> {
    await this.#divided(leases, async (part, domain) => {
      const request = this.#begin(domain, part.map(shardOf), false).text(worker);
      for (const { sequencer } of part) request.text(sequencer);
      await this.#byDomain[domain]!.run(RELEASE, request);
      return [];
    });
  }

  #divided<R>(leases: readonly Lease[], work: (part: readonly Lease[], domain: number) => Promise<readonly R[]>): Promise<R[]> {
    return divided(leases, ({ shard }) => this.#keys.domainOf(shard), work);
  }

  #begin(domain: number, shards: readonly ShardRef[], withLeases: boolean): Request {
    const request = this.#byDomain[domain]!.begin();
    if (withLeases) request.key(this.#keys.domain(domain).leases);
    for (const shard of shards) request.key(this.#keys.of(shard).meta);
    return request;
  }
}

const shardOf = ({ shard }: Lease): ShardRef => shard;
