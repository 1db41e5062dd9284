/**
 * One request that this worker passes on to another: sent as its body comes, in flat memory, and answered with what the
 * other answers.
 *
 * C1  Its outcome is `answered`, with the other's answer whole; `refused`: nothing of it was read by who was meant, so it
 *     may be sent elsewhere; or `broken`: what became of it is not known here.
 */
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Clock } from "../clock.ts";
import { HTTP_UPLOADS } from "../limits.ts";
import { FORWARD_HEADER, type Peer } from "./peers.ts";

export interface PeerAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: Buffer;
}

export type PeerOutcome =
  | { readonly kind: "answered"; readonly answer: PeerAnswer }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "broken"; readonly reason: string };

export interface PeerCall {
  readonly peer: Peer;
  readonly method: "GET" | "POST" | "DELETE";
  /** Path and query. */
  readonly path: string;
  /** As Node gives them, name after value; those of one connection alone are left out. */
  readonly rawHeaders: readonly string[];
  readonly body?: PeerBody | undefined;
}

/** `next`: the next bytes; undefined: the end. What it throws ends the call, and is thrown. `length` undefined: not known yet. */
export interface PeerBody {
  readonly next: () => Promise<Uint8Array | undefined>;
  readonly length?: number | undefined;
}

/** Headers that say what a body is, what its records are called, and which trace they are of. */
const PASSED = /^(content-type|content-encoding|idempotency-key|traceparent|ce-.*)$/i;
/** ms that a connection may take; that one without a request is kept, less than the other side keeps it; between looks. */
const CONNECT = 2_000;
const IDLE = 4_000;
const LOOK = 1_000;
/** An answer lists at most a thousand records. */
const MOST_BYTES = 16 << 20;

export class PeerCalls {
  readonly #clock: Clock;
  readonly #isAlive: (worker: string) => Promise<boolean>;
  readonly #agent = new Agent({ keepAlive: true, timeout: IDLE, maxSockets: HTTP_UPLOADS });

  /** `isAlive`: a worker that has ended or stands still does not answer any more. */
  constructor(clock: Clock, isAlive: (worker: string) => Promise<boolean>) {
    this.#clock = clock;
    this.#isAlive = isAlive;
  }

  close(): void {
    this.#agent.destroy();
  }

  async send(call: PeerCall): Promise<PeerOutcome> {
    const { peer, method, path, rawHeaders, body } = call;
    const headers: string[] = [FORWARD_HEADER, peer.secret];
    for (let i = 0; i < rawHeaders.length; i += 2) if (PASSED.test(rawHeaders[i] as string)) headers.push(rawHeaders[i] as string, rawHeaders[i + 1] as string);
    if (body !== undefined && body.length === undefined) headers.push("transfer-encoding", "chunked");
    else if (method === "POST") headers.push("content-length", String(body?.length ?? 0));
    headers.push("host", new URL(peer.address).host);
    const sent = request(new URL(path, peer.address), { method, agent: this.#agent, headers });
    const outcome = this.#outcomeOf(sent);
    const ended = { yet: false };
    void outcome.then(() => (ended.yet = true));
    const stopLooking = this.#watch(peer.worker, sent);
    try {
      await pass(body, sent, outcome, ended);
      return await outcome;
    } catch (error) {
      sent.destroy();
      await outcome;
      throw error;
    } finally {
      stopLooking();
    }
  }

  #outcomeOf(sent: ClientRequest): Promise<PeerOutcome> {
    return new Promise((resolve) => {
      let connected = false;
      const tooLong = this.#clock.after(CONNECT, () => {
        if (!connected) sent.destroy(new Error(`it took longer than ${CONNECT / 1_000} s to connect`));
      });
      sent.once("socket", (socket) => {
        const here = () => (connected = true);
        if (socket.connecting) socket.once("connect", here);
        else here();
        // An idle connection's time is not a request's.
        socket.setTimeout(0);
      });
      const failed = (error: Error) => {
        tooLong();
        resolve(connected ? { kind: "broken", reason: error.message } : { kind: "refused", reason: reasonOf(error) });
      };
      sent.once("error", failed);
      const closed = () => failed(new Error("the connection was closed"));
      sent.once("close", closed);
      sent.once("response", (response) => {
        tooLong();
        // The end of its answer is what is waited for now.
        sent.off("close", closed);
        answerOf(response).then((answer) => resolve(outcomeOf(answer)), failed);
      });
    });
  }

  /** Ends the request once the other worker is thought dead, twice in a row: it may stand still and hold the connection. */
  #watch(worker: string, sent: ClientRequest): () => void {
    let stopped = false;
    let missed = 0;
    let cancel = () => {};
    const later = () => {
      cancel = this.#clock.after(LOOK, () => void look());
    };
    const look = async () => {
      const alive = await this.#isAlive(worker).catch(() => true);
      missed = alive ? 0 : missed + 1;
      if (stopped) return;
      if (missed < 2) later();
      else sent.destroy(new Error("it does not announce itself any more"));
    };
    later();
    return () => {
      stopped = true;
      cancel();
    };
  }
}

/** Sends the body as it comes, no faster than it is taken; an answer before its end ends it. */
async function pass(body: PeerBody | undefined, sent: ClientRequest, outcome: Promise<PeerOutcome>, ended: { readonly yet: boolean }): Promise<void> {
  while (body !== undefined) {
    const coming = body.next();
    // Nobody may wait for it any more once there is an answer.
    coming.catch(() => {});
    const chunk = await Promise.race([coming, outcome.then(() => undefined)]);
    if (ended.yet) return;
    if (chunk === undefined) break;
    if (!sent.write(chunk)) await Promise.race([new Promise((resolve) => sent.once("drain", resolve)), outcome]);
    if (ended.yet) return;
  }
  sent.end();
}

async function answerOf(response: IncomingMessage): Promise<PeerAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Error("its answer is too long");
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, retryAfter: response.headers["retry-after"], body: Buffer.concat(chunks) };
}

/** Answers by which a worker says that it took nothing, and is not the one to ask. */
export const NOT_MEANT = "not-meant";
export const NOT_OWNER = "not-owner";

function outcomeOf(answer: PeerAnswer): PeerOutcome {
  const { error, records, unknown } = viewOf(answer);
  if (error?.code === NOT_MEANT || error?.code === NOT_OWNER) return { kind: "refused", reason: error.message ?? "" };
  // It had just lost what it owned, before it took anything.
  if (error?.code === "not-open" && (records ?? 0) === 0 && (unknown ?? 0) === 0) return { kind: "refused", reason: error.message ?? "" };
  return { kind: "answered", answer };
}

function viewOf({ status, body }: PeerAnswer): { error?: { code?: string; message?: string }; records?: number; unknown?: number } {
  if (status < 400) return {};
  try {
    return JSON.parse(body.toString()) as { error?: { code?: string; message?: string } };
  } catch {
    return {};
  }
}

function reasonOf(error: Error): string {
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" ? code : error.message;
}
