/**
 * A way to Redis on which every byte takes a fixed time each way, as on a network: it changes nothing else, and bytes
 * that are under way do not wait for each other. It runs in the process that opened it, so that no worker pays for it.
 * Timers of Node are a millisecond apart; where less is left to wait, this turns its event loop and sleeps in between.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** ms slept at most between two looks at the sockets, and from what rest on it is looked that often. */
const NAP = 0.05;
const FINE = 1.5;

interface Late {
  /** undefined: the other end has closed, after all that it had sent. */
  readonly chunk: Buffer | undefined;
  readonly dueAt: number;
  readonly to: Socket;
}

export class DelayProxy {
  readonly #server: Server;
  readonly #delay: number;
  readonly #sockets = new Set<Socket>();
  /** In the order of `dueAt`, since all take equally long. */
  readonly #late: Late[] = [];
  #waiting = false;
  readonly #nap = new Int32Array(new SharedArrayBuffer(4));

  /** `delay`: ms each way. */
  static async open(socket: string, delay: number): Promise<DelayProxy> {
    const proxy = new DelayProxy(socket, delay);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  private constructor(path: string, delay: number) {
    this.#delay = delay;
    this.#server = createServer((client) => {
      const server = connect({ path });
      this.#pass(client.setNoDelay(true), server);
      this.#pass(server, client);
    });
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the delaying proxy does not listen");
    return `redis://127.0.0.1:${address.port}`;
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("data", (chunk: Buffer) => this.#carry(chunk, to));
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      this.#carry(undefined, to);
    });
  }

  #carry(chunk: Buffer | undefined, to: Socket): void {
    this.#late.push({ chunk, dueAt: performance.now() + this.#delay, to });
    this.#wait();
  }

  #wait(): void {
    const next = this.#late[0];
    if (next === undefined || this.#waiting) return;
    this.#waiting = true;
    const rest = next.dueAt - performance.now();
    if (rest > FINE) setTimeout(this.#forward, rest - FINE + 0.5);
    else setImmediate(this.#forward);
  }

  readonly #forward = (): void => {
    this.#waiting = false;
    let rest = (this.#late[0]?.dueAt ?? 0) - performance.now();
    if (rest > 0 && rest < FINE) Atomics.wait(this.#nap, 0, 0, Math.min(rest, NAP));
    for (const at = performance.now(); this.#late[0] !== undefined && (rest = this.#late[0].dueAt - at) <= 0; ) {
      const { chunk, to } = this.#late.shift() as Late;
      if (chunk === undefined) to.destroySoon();
      else if (!to.destroyed) to.write(chunk);
    }
    this.#wait();
  };

  close(): void {
    this.#server.close();
    this.#late.length = 0;
    for (const socket of this.#sockets) socket.destroy();
  }
}
