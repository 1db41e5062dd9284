/**
 * A way to Redis that fails as networks do: slow, silent, or cut at an exact command. One worker's; it listens on the
 * loopback interface alone and forwards whole commands and replies.
 *
 * F1  Without a fault it changes nothing, and the order of commands and of replies never changes.
 * F2  What was silenced is not lost but late: when the way heals, commands that the worker has long given up reach the
 *     server, as those do that a network has kept.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Frames } from "./resp-frames.ts";

/** Where a connection is cut: around the nth command that counts, or around its reply. */
export type Cut = "before-command" | "after-command" | "before-reply" | "after-reply";

export class FaultProxy {
  readonly #port: number;
  readonly #counts: (command: Buffer) => boolean;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  /** ms by which everything is late, and what is added at random. */
  delay = 0;
  jitter = 0;
  #silent = false;
  #cut: { readonly where: Cut; left: number } | undefined = undefined;
  /** Connections cut so far. */
  cuts = 0;

  /** `counts`: which commands a cut counts. */
  static async open(port: number, counts: (command: Buffer) => boolean): Promise<FaultProxy> {
    const proxy = new FaultProxy(port, counts);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  private constructor(port: number, counts: (command: Buffer) => boolean) {
    this.#port = port;
    this.#counts = counts;
    this.#server = createServer((socket) => {
      const link = new Link(this, socket, connect({ port: this.#port, host: "127.0.0.1" }), () => this.#links.delete(link));
      this.#links.add(link);
    });
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the fault proxy does not listen");
    return `redis://127.0.0.1:${address.port}`;
  }
  get silent(): boolean {
    return this.#silent;
  }

  /** Half-open: connections stay, and nothing comes through either way, until it heals. */
  silence(): void {
    this.#silent = true;
  }
  cutAt(where: Cut, nth: number): void {
    this.#cut = { where, left: nth };
  }
  heal(): void {
    this.delay = 0;
    this.jitter = 0;
    this.#cut = undefined;
    this.#silent = false;
    for (const link of this.#links) link.flush();
  }

  /** Is this the command at which to cut? */
  meets(command: Buffer): Cut | undefined {
    if (this.#cut === undefined || !this.#counts(command) || --this.#cut.left > 0) return undefined;
    const { where } = this.#cut;
    this.#cut = undefined;
    this.cuts++;
    return where;
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const link of this.#links) link.reset();
    await once(this.#server, "close");
  }
}

/** One connection through the proxy. */
class Link {
  readonly #proxy: FaultProxy;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #ended: () => void;
  readonly #commands = new Frames();
  readonly #replies = new Frames();
  /** Forwarding one after the other keeps the order, whatever the delays. */
  readonly #queues: Record<"up" | "down", { readonly frame: Buffer; readonly dueAt: number }[]> = { up: [], down: [] };
  readonly #waiting = { up: false, down: false };
  #sent = 0;
  #answered = 0;
  /** Number of the command at whose reply to cut. */
  #cutReply: { readonly number: number; readonly where: Cut } | undefined = undefined;
  #closed = false;

  constructor(proxy: FaultProxy, client: Socket, server: Socket, ended: () => void) {
    this.#proxy = proxy;
    this.#client = client;
    this.#server = server;
    this.#ended = ended;
    client.setNoDelay(true).on("data", (chunk) => this.#take("up", this.#commands.take(chunk as Buffer)));
    server.setNoDelay(true).on("data", (chunk) => this.#take("down", this.#replies.take(chunk as Buffer)));
    client.on("error", () => {}).on("close", () => this.#end());
    server.on("error", () => {}).on("close", () => this.reset());
  }

  #take(way: "up" | "down", frames: readonly Buffer[]): void {
    const { delay, jitter } = this.#proxy;
    for (const frame of frames) this.#queues[way].push({ frame: Buffer.from(frame), dueAt: Date.now() + delay + Math.random() * jitter });
    this.#forward(way);
  }

  flush(): void {
    this.#forward("up");
    this.#forward("down");
    if (this.#client.destroyed) this.#end();
  }

  #forward(way: "up" | "down"): void {
    const queue = this.#queues[way];
    while (queue.length > 0 && !this.#proxy.silent && !this.#closed) {
      const { frame, dueAt } = queue[0] as { frame: Buffer; dueAt: number };
      if (dueAt > Date.now()) {
        if (!this.#waiting[way]) {
          this.#waiting[way] = true;
          setTimeout(() => {
            this.#waiting[way] = false;
            this.#forward(way);
          }, dueAt - Date.now());
        }
        return;
      }
      queue.shift();
      if (way === "up") this.#up(frame);
      else this.#down(frame);
    }
  }

  #up(frame: Buffer): void {
    const where = this.#proxy.meets(frame);
    if (where === "before-command") {
      this.reset();
      return;
    }
    this.#sent++;
    this.#server.write(frame);
    // What was written reaches the server: it is not waited for.
    if (where === "after-command") this.#client.resetAndDestroy();
    else if (where !== undefined) this.#cutReply = { number: this.#sent, where };
  }

  #down(frame: Buffer): void {
    this.#answered++;
    const cut = this.#cutReply?.number === this.#answered ? this.#cutReply.where : undefined;
    if (cut === "before-reply") {
      this.reset();
      return;
    }
    if (!this.#client.destroyed) this.#client.write(frame, () => cut !== undefined && this.reset());
  }

  /** The worker has given up. What it has sent and what is kept here still goes to the server (F2). */
  #end(): void {
    if (this.#closed || this.#queues.up.length > 0) return;
    this.#server.end();
    this.#close();
  }

  reset(): void {
    if (this.#closed) return;
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
    this.#close();
  }
  #close(): void {
    this.#closed = true;
    this.#ended();
  }
}
