/** A way to a server that can lose what passes: requests, or the replies to requests that the server did execute. */
import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";

export class CutProxy {
  readonly path: string;
  readonly #target: string;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #mute: "requests" | "replies" | undefined = undefined;
  /** Bytes that came from the client since `mute`. */
  lost = 0;

  private constructor(target: string) {
    this.#target = target;
    this.path = `${target}-proxy`;
    this.#server = createServer((client) => this.#accept(client));
  }

  static async start(target: string): Promise<CutProxy> {
    const proxy = new CutProxy(target);
    proxy.#server.listen(proxy.path);
    await once(proxy.#server, "listening");
    return proxy;
  }

  /** From now on requests do not arrive, or arrive and are executed, and their replies get lost. */
  mute(what: "requests" | "replies"): void {
    this.#mute = what;
    this.lost = 0;
  }

  /** Ends all connections; new ones are whole again. */
  cut(): void {
    this.#mute = undefined;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#pairs.clear();
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(client: Socket): void {
    const server = createConnection(this.#target);
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    client.on("data", (data) => {
      if (this.#mute !== undefined) this.lost += data.length;
      if (this.#mute !== "requests") server.write(data);
    });
    server.on("data", (data) => {
      if (this.#mute === undefined) client.write(data);
    });
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        for (const each of pair) each.destroy();
        this.#pairs.delete(pair);
      });
    }
  }
}
