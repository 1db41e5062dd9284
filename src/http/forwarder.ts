/**
 * Requests for what another worker owns: finds that worker, passes the request on, and gives the client its answer.
 *
 * F1  A forwarded request is never forwarded again: a worker that does not own what it is asked for says so, and the one
 *     that asked looks anew. So there are no loops, whatever workers believe of each other.
 * F2  It is sent again, to whoever is the owner then, only where nothing of it has been done. Where that is not known, the
 *     client is told so: 503 `unknown`; by ids, what is sent again is taken once.
 * F3  How long an owner is waited for is bounded: a little longer than it takes to replace one that has died.
 */
import type { IncomingMessage } from "node:http";
import type { Clock } from "../clock.ts";
import type { Metric } from "../inspect/prometheus.ts";
import { RequestError } from "../inspect/request-error.ts";
import type { ShardRef } from "../key.ts";
import type { PipelineStore } from "../store/store.ts";
import type { Worker } from "../worker/worker.ts";
import { type PeerAnswer, type PeerBody, type PeerCall, PeerCalls, type PeerOutcome } from "./peer-call.ts";
import { type Peer, Peers } from "./peers.ts";

/** ms between looks for an owner, and by which a lease is outwaited. */
const LOOK = 25;
const BEYOND = 1_000;

export interface Wanted {
  /** What is asked of its owner. */
  readonly shard: ShardRef;
  /** As in "injector arrivals". */
  readonly what: string;
  /** Does this worker own it by now, and can do it itself? */
  readonly here: () => boolean;
}

/** A request whose body, if it has one, is here whole. */
export type RepeatableCall = Omit<PeerCall, "peer" | "body"> & { readonly bytes?: Uint8Array | undefined };

/** What is asked of an owner before a body is sent to it that cannot be sent again. */
export interface Asking {
  readonly path: string;
  readonly isReady: (answer: PeerAnswer) => boolean;
}

export interface ForwarderOptions {
  readonly worker: Worker;
  readonly store: PipelineStore;
  readonly clock: Clock;
}

export class Forwarder {
  readonly peers: Peers;
  readonly #worker: Worker;
  readonly #clock: Clock;
  readonly #calls: PeerCalls;
  /** Since the process started: requests that others have answered, and those of which it is not known. */
  readonly counted = { answered: 0, unreachable: 0, unknown: 0 };

  constructor({ worker, store, clock }: ForwarderOptions) {
    this.#worker = worker;
    this.#clock = clock;
    this.peers = new Peers(worker, store, clock);
    this.#calls = new PeerCalls(clock, (name) => this.peers.isAlive(name));
  }

  metrics(): Metric[] {
    const samples = Object.entries(this.counted).map(([outcome, value]) => ({ labels: { outcome }, value }));
    const help = "Requests passed on to the worker that owns what they ask for, by what became of them. Since the process started.";
    return [{ name: "millrace_http_forwarded_total", help, type: "counter", samples }];
  }

  close(): void {
    this.#calls.close();
  }

  /**
   * The answer of the owner, to a request that can be sent as often as needed; undefined: this worker owns it by now.
   * RequestError where no owner was found in time, or one did not answer; `unknown`: what the client may do then.
   */
  async ask(wanted: Wanted, call: RepeatableCall, unknown: string): Promise<PeerAnswer | undefined> {
    const { bytes, ...rest } = call;
    return await this.#untilDone(wanted, async (peer) => this.#answer(peer, await this.#calls.send({ ...rest, peer, body: bytes && bodyOf(bytes) }), unknown));
  }

  /** The same for a body that can be read once: the owner is asked first, by a request of `asking`, whether it will take it. */
  async stream(
    wanted: Wanted,
    request: IncomingMessage,
    body: PeerBody,
    { asking, unknown }: { readonly asking: Asking; readonly unknown: string },
  ): Promise<PeerAnswer | undefined> {
    const peer = await this.#untilDone(wanted, async (each) => {
      const asked = await this.#calls.send({ peer: each, method: "GET", path: asking.path, rawHeaders: [] });
      if (asked.kind !== "answered") return { refused: asked.reason };
      return asking.isReady(asked.answer) ? { done: each } : { refused: "it does not take them now" };
    });
    if (peer === undefined) return undefined;
    const { url: path = "/", rawHeaders } = request;
    const outcome = this.#answer(peer, await this.#calls.send({ peer, method: "POST", path, rawHeaders, body }), unknown);
    if ("refused" in outcome) throw this.#unreachable(`worker ${peer.worker} did not take it (${outcome.refused}): send again`);
    return outcome.done;
  }

  #answer(peer: Peer, outcome: PeerOutcome, unknown: string): { readonly done: PeerAnswer } | { readonly refused: string } {
    if (outcome.kind === "refused") return { refused: outcome.reason };
    if (outcome.kind === "answered") {
      this.counted.answered += 1;
      return { done: outcome.answer };
    }
    this.counted.unknown += 1;
    throw new RequestError(503, "unknown", `worker ${peer.worker} was asked and did not answer (${outcome.reason}): ${unknown}`);
  }

  /** Asks whoever is the owner until one has done it. */
  async #untilDone<T>(wanted: Wanted, attempt: (peer: Peer) => Promise<{ readonly done: T } | { readonly refused: string }>): Promise<T | undefined> {
    const until = this.#clock.now() + this.#worker.engine.options.leaseMs + BEYOND;
    for (;;) {
      if (wanted.here()) return undefined;
      if (this.#worker.engine.stopping) throw this.#unreachable("the worker is stopping: send again, to another");
      const owner = await this.peers.ownerOf(wanted.shard);
      let missing = `${wanted.what} has no owner at this moment: send again`;
      if (owner.kind === "unreachable") throw this.#unreachable(`${wanted.what} belongs to worker ${owner.worker}, which ${owner.reason}`);
      if (owner.kind === "peer") {
        const outcome = await attempt(owner.peer);
        if ("done" in outcome) return outcome.done;
        missing = `${wanted.what} belongs to worker ${owner.peer.worker}, and ${owner.peer.address} did not take it (${outcome.refused}): send again`;
      }
      if (this.#clock.now() >= until) throw this.#unreachable(missing);
      await new Promise<void>((resolve) => void this.#clock.after(LOOK, resolve));
    }
  }

  #unreachable(text: string): RequestError {
    this.counted.unreachable += 1;
    return new RequestError(503, "not-open", text);
  }
}

function bodyOf(bytes: Uint8Array): PeerBody {
  let left: Uint8Array | undefined = bytes;
  const next = async (): Promise<Uint8Array | undefined> => {
    const now = left;
    left = undefined;
    return now;
  };
  return { next, length: bytes.length };
}
