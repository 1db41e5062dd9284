/**
 * A Redis primary with a replica, under one address: a path that leads to whichever is the primary. `failOver` makes the
 * replica the primary, with all it has or, after `cut`, without the last of what the primary took.
 *
 * R1  After `start` and `failOver` the replica has all that the primary has, and follows it.
 */
import { renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { type RedisServer, startRedis } from "./redis-server.ts";

/** So that a full synchronisation takes a moment and no seconds. */
const REPLICATION = ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--repl-diskless-load", "swapdb"];
/** ms that a replica may take to follow. */
const PATIENCE = 20_000;

interface Node {
  readonly server: RedisServer;
  readonly admin: Redis;
}

export class RedisPair {
  readonly #args: readonly string[];
  readonly #directory: string;
  #primary: Node;
  #replica: Node | undefined;

  private constructor(args: readonly string[], directory: string, primary: Node) {
    this.#args = args;
    this.#directory = directory;
    this.#primary = primary;
  }

  /** `directory`: where the path is to be, and stays after `stop`. */
  static async start(directory: string, args: readonly string[] = []): Promise<RedisPair> {
    const pair = new RedisPair(args, directory, await startNode(args));
    pair.#point();
    await pair.follow();
    return pair;
  }

  /** What `RedisStore` takes. */
  get path(): string {
    return join(this.#directory, "primary");
  }
  get primary(): RedisServer {
    return this.#primary.server;
  }
  /** A client of the test's own. */
  get admin(): Redis {
    return this.#primary.admin;
  }

  /** Starts a replica, and waits until it has all. */
  async follow(): Promise<void> {
    const replica = await startNode([...this.#args, "--replicaof", "127.0.0.1", String(this.#primary.server.port)]);
    this.#replica = replica;
    await until(async () => {
      const info = await replica.admin.info("replication");
      return info.includes("master_link_status:up") && !info.includes("master_sync_in_progress:1");
    }, "the replica to follow");
    await this.replicated();
  }

  /** Waits until the replica has all that the primary had when this was called. */
  async replicated(): Promise<void> {
    // WAIT is about the writes of its own connection.
    await this.#primary.admin.incr("of-the-test");
    await until(async () => Number(await this.#primary.admin.call("WAIT", "1", "100")) === 1, "the replica to have all");
  }

  /** Waits until the replica stands where the primary stands, which takes no writes now. */
  async level(): Promise<void> {
    const offset = async ({ admin }: Node, field: string): Promise<string | undefined> =>
      new RegExp(`${field}:(\\d+)`).exec(await admin.info("replication"))?.[1];
    await until(
      async () => (await offset(this.#primary, "master_repl_offset")) === (await offset(this.#replica as Node, "slave_repl_offset")),
      "the replica to have all",
    );
  }

  /** From now on nothing reaches the replica: what is committed will be lost by `failOver`. */
  async cut(): Promise<void> {
    this.#replica?.server.freeze();
    await this.#primary.admin.client("KILL", "TYPE", "REPLICA");
  }

  /** The replica goes on where it stands, and fetches what it lacks. */
  mend(): void {
    this.#replica?.server.thaw();
  }

  /** The primary dies, the replica takes its place, and another replica follows that one. */
  async failOver(): Promise<void> {
    await end(this.#primary);
    const promoted = this.#replica as Node;
    promoted.server.thaw();
    await promoted.admin.call("REPLICAOF", "NO", "ONE");
    this.#primary = promoted;
    this.#replica = undefined;
    this.#point();
    await this.follow();
  }

  /** The primary is dead and someone else has promoted the replica: another follows that one. */
  async adoptReplica(): Promise<void> {
    await end(this.#primary);
    this.#primary = this.#replica as Node;
    this.#replica = undefined;
    await this.follow();
  }

  async stop(): Promise<void> {
    if (this.#replica !== undefined) await end(this.#replica);
    await end(this.#primary);
  }

  /** In one step, so that no one finds nothing there. */
  #point(): void {
    const next = `${this.path}-next`;
    rmSync(next, { force: true });
    symlinkSync(this.#primary.server.socket, next);
    renameSync(next, this.path);
  }
}

async function startNode(args: readonly string[]): Promise<Node> {
  const server = await startRedis({ tcp: true, args: [...REPLICATION, ...args] });
  const admin = new Redis(server.socket, { protocol: 2, retryStrategy: () => 20 });
  admin.on("error", () => {});
  return { server, admin };
}

async function end({ server, admin }: Node): Promise<void> {
  admin.disconnect();
  // A server that ends in order waits for its replicas.
  await server.kill();
  await server.stop();
}

async function until(look: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + PATIENCE; !(await look().catch(() => false)); await delay(5)) {
    if (Date.now() > end) throw new Error(`waited ${PATIENCE} ms for ${what}`);
  }
}
