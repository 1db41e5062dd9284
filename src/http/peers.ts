/**
 * Who owns a shard, and how the worker that does is reached by the others. Reads the store at each question, or a moment
 * before: what a worker remembers of others may be over.
 *
 * P1  A request of another worker carries the secret that this one has announced: only who may read the pipeline's data
 *     knows it. It says as well that this worker is the one that was meant, and not one that has its port now.
 * P2  A worker that listens on the loopback address alone is asked by those of its own machine alone.
 */
import { timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Clock } from "../clock.ts";
import type { ShardRef } from "../key.ts";
import type { PipelineStore, StoredWorker } from "../store/store.ts";
import { parseAbout } from "../worker/profile.ts";
import type { Worker } from "../worker/worker.ts";

/** The header by which a worker's request is known. */
export const FORWARD_HEADER = "millrace-forward";

/** Another worker that can be asked. */
export interface Peer {
  readonly worker: string;
  readonly address: string;
  readonly secret: string;
}

/** `nobody`: no one owns it now, or this one does and is not ready. `unreachable`: `reason` says what to do. */
export type Owner =
  | { readonly kind: "peer"; readonly peer: Peer }
  | { readonly kind: "nobody" }
  | { readonly kind: "unreachable"; readonly worker: string; readonly reason: string };

const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** ms for which one answer serves all who ask. */
const SHARED = 10;

export class Peers {
  readonly #worker: Worker;
  readonly #store: PipelineStore;
  readonly #clock: Clock;
  readonly #asked = new Map<ShardRef, { readonly at: number; readonly owner: Promise<Owner> }>();

  constructor(worker: Worker, store: PipelineStore, clock: Clock) {
    this.#worker = worker;
    this.#store = store;
    this.#clock = clock;
  }

  async ownerOf(shard: ShardRef): Promise<Owner> {
    const asked = this.#asked.get(shard);
    const at = this.#clock.now();
    if (asked !== undefined && at >= asked.at && at < asked.at + SHARED) return await asked.owner;
    const owner = this.#read(shard);
    this.#asked.set(shard, { at, owner });
    return await owner;
  }

  async #read(shard: ShardRef): Promise<Owner> {
    const [[summary], { workers, now }] = await Promise.all([this.#store.summarize([shard]), this.#store.readWorkers()]);
    const owner = summary?.owner;
    if (owner === undefined || owner === this.#worker.name || (summary?.leaseUntil ?? 0) <= now) return { kind: "nobody" };
    return this.#reachOf(
      owner,
      workers.find(({ worker }) => worker === owner),
    );
  }

  #reachOf(worker: string, stored: StoredWorker | undefined): Owner {
    // Its leases may outlive its announcements: it hands over, or is dead.
    if (stored === undefined) return { kind: "nobody" };
    const about = parseAbout(stored.about);
    if (about === undefined) return { kind: "unreachable", worker, reason: "does not say how it is reached: it is of another version; ask it directly" };
    const { reach, host } = about;
    if (reach === null) return { kind: "unreachable", worker, reason: "has no HTTP endpoint: start it with one (--port, or http: { port })" };
    if (LOOPBACK.has(new URL(reach.address).hostname) && host !== this.#worker.profile.host)
      return {
        kind: "unreachable",
        worker,
        reason: `is on machine ${JSON.stringify(host)} and hears only that machine: start it with --address HOST:PORT (http: { port, address }), or send there`,
      };
    return { kind: "peer", peer: { worker, ...reach } };
  }

  /** Has the worker announced itself lately? */
  async isAlive(worker: string): Promise<boolean> {
    return (await this.#store.readWorkers()).workers.some((each) => each.worker === worker);
  }

  /** Is it a request of another worker's? undefined: it is not; false: it says so, and is meant for another, or made up. */
  isForwarded(headers: IncomingHttpHeaders): boolean | undefined {
    const given = headers[FORWARD_HEADER];
    if (given === undefined) return undefined;
    const own = Buffer.from(this.#worker.profile.reach?.secret ?? "");
    const shown = Buffer.from(String(given));
    return own.length > 0 && own.length === shown.length && timingSafeEqual(own, shown);
  }
}
