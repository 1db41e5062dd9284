/**
 * Real Redis servers for tests: one process each, in a folder of its own, on a unix socket (and a free port if asked).
 *
 * R1  A server that was given out answers PING.
 * R2  No server outlives the test process, however that ends short of SIGKILL; stopped servers leave no file behind.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type NetConnectOpts } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export interface RedisServerOptions {
  /** Also listen on a free TCP port of 127.0.0.1. Default false. */
  readonly tcp?: boolean;
  /** Further arguments, as in `["--maxmemory", "10mb"]`; they override those given here. */
  readonly args?: readonly string[];
  /** The configuration of a Sentinel: it is one then, not a server with data. Needs `tcp`. */
  readonly sentinel?: string;
}

/** How long a server may take to answer its first PING, ms. */
const START_MS = 20_000;
/** Between two attempts to reach a server that is starting, ms. */
const POLL_MS = 5;

const alive = new Set<RedisServer>();
process.on("exit", () => {
  for (const server of alive) server.abandon();
});

/** Starts a server; its data is gone when it is stopped, and kept over `kill` and `restart`. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const port = options.tcp === true ? await freePort() : 0;
  const server = new RedisServer(mkdtempSync(join(tmpdir(), "mr-redis-")), port, options.args ?? [], options.sentinel);
  alive.add(server);
  await server.start();
  return server;
}

export class RedisServer {
  readonly directory: string;
  /** 0: no TCP port. */
  readonly port: number;
  readonly #args: readonly string[];
  readonly #sentinel: string | undefined;
  #child: ChildProcess | undefined = undefined;

  constructor(directory: string, port: number, args: readonly string[], sentinel: string | undefined) {
    this.directory = directory;
    this.port = port;
    this.#args = args;
    this.#sentinel = sentinel;
  }

  /** A Sentinel keeps what it learns in its file, which comes before all options. */
  get #first(): string[] {
    if (this.#sentinel === undefined) return [];
    const file = join(this.directory, "sentinel.conf");
    if (!existsSync(file)) writeFileSync(file, this.#sentinel);
    return [file, "--sentinel"];
  }

  get #data(): string[] {
    return this.#sentinel === undefined ? ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"] : [];
  }

  get socket(): string {
    return join(this.directory, "s");
  }

  /** What `RedisStore` takes: over the port if there is one, else over the socket. */
  get url(): string {
    return this.port === 0 ? this.socket : `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error("the Redis server is not running");
    return this.#child.pid;
  }

  /** Starts the process on the folder and port of before, and waits until it answers. */
  async start(): Promise<void> {
    const args = [
      ...this.#first,
      "--port",
      String(this.port),
      "--bind",
      "127.0.0.1",
      "--unixsocket",
      this.socket,
      "--dir",
      this.directory,
      "--daemonize",
      "no",
      ...this.#data,
      "--loglevel",
      "warning",
      ...this.#args,
    ];
    const child = spawn(serverPath(), args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => (output = `${output}${chunk.toString()}`.slice(-4_000)));
      (stream as unknown as { unref(): void }).unref();
    }
    child.unref();
    let failure: Error | undefined;
    child.on("error", (error) => (failure = error));
    for (let waited = 0; !(await answers({ path: this.socket })); waited += POLL_MS) {
      if (failure !== undefined || child.exitCode !== null || waited > START_MS) {
        this.abandon();
        throw new Error(`the Redis server did not start: ${failure?.message ?? output}`);
      }
      await delay(POLL_MS);
    }
  }

  /** Ends it as an operator would, and removes its data. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    this.abandon();
  }

  /** Ends it as a failing machine would. Its data stays for `start`. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends and starts it on the same data, socket and port. */
  async restart(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    await this.#end(signal);
    await this.start();
  }

  /** Stops the process where it stands: it accepts connections and answers nothing. */
  freeze(): void {
    process.kill(this.pid, "SIGSTOP");
  }
  thaw(): void {
    process.kill(this.pid, "SIGCONT");
  }

  /** Ends it without waiting, and removes its data. */
  abandon(): void {
    this.#child?.kill("SIGKILL");
    alive.delete(this);
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const exited = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    await exited;
  }
}

/** The server that `npm test` found, else the first on PATH. */
function serverPath(): string {
  const given = process.env["MILLRACE_REDIS_SERVER"];
  if (given !== undefined && given !== "") return given;
  for (const name of ["redis-server", "valkey-server"]) {
    for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Not here.
      }
    }
  }
  throw new Error("tests of the Redis store need redis-server (7.0 or later) or valkey-server on PATH");
}

/** Does a server answer there, and has it loaded its data? One that asks for a password has. */
async function answers(address: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(address);
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (data) => settle(/^(\+PONG|-NOAUTH|-NOPERM)/.test(data.toString())));
    socket.once("error", () => settle(false));
    socket.once("close", () => settle(false));
  });
}

let asked = 0;

/** Below those that the system gives to connections, and by process: whoever asked may bind it a moment later. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + ((process.pid * 97 + asked++) % 20_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
