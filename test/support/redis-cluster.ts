/**
 * A real Redis Cluster for tests: primaries and a replica of each, one process each, on this machine. Slots can be moved
 * while it is in use, a primary can be killed and its replica waited for.
 *
 *   const cluster = await startCluster();                    // three primaries, three replicas; slots in equal shares
 *   new RedisStore({ cluster: cluster.urls });
 *   await cluster.moveSlot(slot, cluster.otherThan(slot));   // live, key by key
 *   await cluster.failOver(cluster.primaryOf(slot));         // kill -9; resolves when a replica has taken its place
 *   await cluster.stop();
 *
 * R1  A cluster that was given out serves all slots, and each replica has caught up with its primary.
 */
import { Redis } from "ioredis";
import { setTimeout as delay } from "node:timers/promises";
import { freePort, type RedisServer, startRedis } from "./redis-server.ts";

const SLOTS = 16_384;
const WAIT_MS = 30_000;
const POLL_MS = 20;

export interface ClusterNode {
  readonly server: RedisServer;
  /** A client of the test's own. */
  readonly admin: Redis;
  readonly id: string;
}

export interface RedisClusterOptions {
  /** Primaries; each gets one replica, unless `replicas` is false. Default 3. */
  readonly primaries?: number;
  readonly replicas?: boolean;
  /** Further arguments of every server. */
  readonly args?: readonly string[];
}

export async function startCluster({ primaries = 3, replicas = true, args = [] }: RedisClusterOptions = {}): Promise<RedisCluster> {
  const count = replicas ? 2 * primaries : primaries;
  const nodes = await Promise.all(Array.from({ length: count }, () => startNode(args)));
  const cluster = new RedisCluster(nodes, primaries);
  try {
    await cluster.form();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

async function startNode(args: readonly string[]): Promise<ClusterNode> {
  const bus = String(await freePort());
  const settings = ["--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "1500", "--cluster-replica-validity-factor", "0"];
  const server = await startRedis({ tcp: true, args: [...settings, "--repl-diskless-sync-delay", "0", "--appendonly", "no", ...args] });
  const admin = new Redis(server.socket, { protocol: 2, retryStrategy: () => 50 });
  admin.on("error", () => {});
  return { server, admin, id: (await admin.call("CLUSTER", "MYID")) as string };
}

export class RedisCluster {
  readonly nodes: readonly ClusterNode[];
  readonly #primaries: number;

  constructor(nodes: readonly ClusterNode[], primaries: number) {
    this.nodes = nodes;
    this.#primaries = primaries;
  }

  /** What `RedisStore` takes as `cluster`. */
  get urls(): string[] {
    return this.nodes.map(({ server }) => server.url);
  }

  async form(): Promise<void> {
    const [first, ...others] = this.nodes as [ClusterNode, ...ClusterNode[]];
    const busOf = async ({ admin }: ClusterNode): Promise<string> => ((await admin.config("GET", "cluster-port")) as string[])[1] as string;
    for (const node of others) await first.admin.call("CLUSTER", "MEET", "127.0.0.1", String(node.server.port), await busOf(node));
    await this.#until("all know one another", async () => (await this.#knownTo(first)) === this.nodes.length && (await this.#allKnow()));
    for (let i = 0; i < this.#primaries; i++) {
      const [from, to] = [Math.floor((i * SLOTS) / this.#primaries), Math.floor(((i + 1) * SLOTS) / this.#primaries) - 1];
      await this.nodes[i]!.admin.call("CLUSTER", "ADDSLOTSRANGE", String(from), String(to));
    }
    for (const [i, { admin }] of this.nodes.slice(this.#primaries).entries()) {
      await this.#until("a replica knows its primary", async () => {
        try {
          await admin.call("CLUSTER", "REPLICATE", this.nodes[i]!.id);
          return true;
        } catch {
          return false;
        }
      });
    }
    await this.#until(
      "the cluster serves all slots",
      async () => (await Promise.all(this.nodes.map(isReady))).every(Boolean) && (await this.#allHaveReplicas()),
    );
  }

  /** As every node sees it: one that knows less sends its clients astray. */
  async #allHaveReplicas(): Promise<boolean> {
    const seen = await Promise.all(this.nodes.map(({ admin }) => admin.call("CLUSTER", "SLOTS") as Promise<unknown[][]>));
    const wanted = this.nodes.length > this.#primaries ? 4 : 3;
    return seen.every((slots) => slots.length === this.#primaries && slots.every((range) => range.length >= wanted));
  }

  async #knownTo({ admin }: ClusterNode): Promise<number> {
    return ((await admin.call("CLUSTER", "NODES")) as string)
      .trim()
      .split("\n")
      .filter((line) => !line.includes("handshake")).length;
  }
  async #allKnow(): Promise<boolean> {
    return (await Promise.all(this.nodes.map((node) => this.#knownTo(node)))).every((known) => known === this.nodes.length);
  }

  /** The node that serves a slot now, as the others of them see it. */
  async primaryOf(slot: number): Promise<ClusterNode> {
    for (const { admin } of this.#alive()) {
      const slots = (await admin.call("CLUSTER", "SLOTS")) as [number, number, [string, number, string]][];
      const id = slots.find(([first, last]) => slot >= first && slot <= last)?.[2]?.[2];
      const node = this.#alive().find((each) => each.id === id);
      if (node !== undefined) return node;
    }
    throw new Error(`no node serves slot ${slot}`);
  }

  /** A primary that does not have this slot. */
  async otherThan(slot: number): Promise<ClusterNode> {
    const owner = await this.primaryOf(slot);
    for (let other = 0; other < SLOTS; other += 512) {
      const node = await this.primaryOf(other);
      if (node.id !== owner.id) return node;
    }
    throw new Error("there is one primary only");
  }

  /** Moves a slot to another primary, as an operator would: key by key, while it is in use. `between`: ms after each key. */
  async moveSlot(slot: number, to: ClusterNode, between = 0): Promise<void> {
    const from = await this.primaryOf(slot);
    await to.admin.call("CLUSTER", "SETSLOT", slot, "IMPORTING", from.id);
    await from.admin.call("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id);
    for (;;) {
      const keys = (await from.admin.call("CLUSTER", "GETKEYSINSLOT", slot, 1)) as string[];
      if (keys.length === 0) break;
      await from.admin.call("MIGRATE", "127.0.0.1", to.server.port, "", 0, 5_000, "KEYS", ...keys);
      if (between > 0) await delay(between);
    }
    // The new owner first: it is the one that others believe.
    await to.admin.call("CLUSTER", "SETSLOT", slot, "NODE", to.id);
    for (const { admin } of this.#alive()) await admin.call("CLUSTER", "SETSLOT", slot, "NODE", to.id).catch(() => {});
  }

  /** Kills a primary with kill -9, and waits until another node serves its slots. Its process stays dead. */
  async failOver(primary: ClusterNode): Promise<void> {
    const slots = (await primary.admin.call("CLUSTER", "SLOTS")) as [number, number, [string, number, string]][];
    const mine = slots.filter(([, , [, , id]]) => id === primary.id).map(([first]) => first);
    primary.admin.disconnect();
    await primary.server.kill();
    this.#dead.add(primary);
    await this.#until("a replica has taken over", async () => {
      const owners = await Promise.all(mine.map((slot) => this.primaryOf(slot).catch(() => undefined)));
      return owners.every((owner) => owner !== undefined && owner !== primary) && (await Promise.all(this.#alive().map(isUp))).every(Boolean);
    });
  }
  readonly #dead = new Set<ClusterNode>();

  /** Kills a primary with kill -9, and makes its replica take its place at once, as an operator would. */
  async takeOver(primary: ClusterNode): Promise<void> {
    const replica = await this.#replicaOf(primary);
    primary.admin.disconnect();
    await primary.server.kill();
    this.#dead.add(primary);
    replica.server.thaw();
    await replica.admin.call("CLUSTER", "FAILOVER", "TAKEOVER");
    await this.#until(
      "a replica has taken over",
      async () => (await Promise.all(this.#alive().map(isUp))).every(Boolean) && (await this.#agreeWithout(primary)),
    );
  }

  /** From now on nothing reaches its replica: what is committed there will be lost by `takeOver`. */
  async cut(primary: ClusterNode): Promise<void> {
    (await this.#replicaOf(primary)).server.freeze();
    await primary.admin.client("KILL", "TYPE", "REPLICA");
  }

  /** Starts a node that was killed again: it follows whoever has its slots now. Resolves when it has caught up. */
  async rejoin(node: ClusterNode): Promise<void> {
    await node.server.start();
    await node.admin.connect();
    this.#dead.delete(node);
    await this.#until("a node that was killed follows", async () => {
      const info = await node.admin.info("replication");
      return info.includes("role:slave") && info.includes("master_link_status:up") && (await isUp(node));
    });
  }

  /** A primary that has a replica still. */
  async withReplica(): Promise<ClusterNode> {
    for (const node of this.#alive()) if (((await node.admin.call("CLUSTER", "REPLICAS", node.id).catch(() => [])) as string[]).length > 0) return node;
    throw new Error("no primary has a replica");
  }

  async #replicaOf(primary: ClusterNode): Promise<ClusterNode> {
    const lines = (await primary.admin.call("CLUSTER", "REPLICAS", primary.id)) as string[];
    const node = this.#alive().find(({ id }) => lines.some((line) => line.startsWith(id)));
    if (node === undefined) throw new Error(`the primary on port ${primary.server.port} has no replica`);
    return node;
  }

  /** Does no node think that this one has slots? */
  async #agreeWithout({ id }: ClusterNode): Promise<boolean> {
    const seen = await Promise.all(this.#alive().map(({ admin }) => admin.call("CLUSTER", "SLOTS") as Promise<[number, number, [string, number, string]][]>));
    return seen.every((slots) => slots.every(([, , [, , owner]]) => owner !== id));
  }

  #alive(): ClusterNode[] {
    return this.nodes.filter((node) => !this.#dead.has(node));
  }

  async stop(): Promise<void> {
    for (const { admin } of this.nodes) admin.disconnect();
    await Promise.all(this.nodes.map(({ server }) => server.stop()));
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (let waited = 0; !(await holds()); waited += POLL_MS) {
      if (waited > WAIT_MS) throw new Error(`the Redis Cluster: waited for ${WAIT_MS} ms until ${what}`);
      await delay(POLL_MS);
    }
  }
}

async function isUp({ admin }: ClusterNode): Promise<boolean> {
  return ((await admin.call("CLUSTER", "INFO")) as string).includes("cluster_state:ok");
}

async function isReady(node: ClusterNode): Promise<boolean> {
  const replication = await node.admin.info("replication");
  const caughtUp = replication.includes("role:master") ? true : replication.includes("master_link_status:up");
  return caughtUp && (await isUp(node));
}
