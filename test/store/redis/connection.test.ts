/** What a caller sees when the way to the server, or the server, fails: every call settles, and a resend is safe. */
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { inspect } from "node:util";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { StoreRefusedError, StoreUnavailableError } from "../../../src/errors.ts";
import { systemRandom } from "../../../src/random.ts";
import { RedisStore } from "../../../src/store/redis/redis-store.ts";
import type { PipelineStore } from "../../../src/store/store.ts";
import { startRedis } from "../../support/redis-server.ts";
import { Bench } from "../conformance/bench.ts";
import { append, bytes, counter, joiner, nextGraph } from "../conformance/values.ts";
import { CutProxy } from "./cut-proxy.ts";
import { eventually, startHarness, type Harness } from "./harness.ts";

let harness: Harness;
let proxy: CutProxy;
beforeAll(async () => {
  harness = await startHarness({ tcp: true });
  proxy = await CutProxy.start(harness.server.socket);
});
afterAll(async () => {
  await proxy.stop();
  await harness.dispose();
});

const opened: PipelineStore[] = [];
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
});

async function openAt(target: ConstructorParameters<typeof RedisStore>[0], pipeline: string, timeoutMs = 5_000): Promise<PipelineStore> {
  const store = await new RedisStore(target, { timeoutMs }).open({ pipeline, clock: systemClock, random: systemRandom });
  opened.push(store);
  return store;
}

/** A bench whose store goes by way of the proxy. */
async function benchByProxy(timeoutMs = 5_000): Promise<Bench> {
  const open = (pipeline: string): Promise<PipelineStore> => openAt(proxy.path, `by-proxy-${pipeline}`, timeoutMs);
  const bench = new Bench({ clock: "server", open, reopen: open, ...harness.looking(), dispose: async () => {} });
  await bench.open();
  return bench;
}

async function until(condition: () => boolean): Promise<void> {
  await eventually(async () => {
    if (!condition()) throw new Error("not yet");
  });
}

describe("a connection that is lost", () => {
  test("with a request that did not arrive: the call rejects, the resend is committed", async () => {
    const bench = await benchByProxy();
    const owner = await bench.acquire(counter);
    const commit = owner.seal({ stateFields: ["2:a"], stateValues: [bytes("1")], parcels: [append(joiner, "p")] });
    proxy.mute("requests");
    const call = bench.store.commit([commit]);
    await until(() => proxy.lost > 0);
    proxy.cut();
    await expect(call).rejects.toThrow(StoreUnavailableError);
    expect((await eventually(() => bench.store.commit([commit]))).outcomes).toEqual(["committed"]);
    expect(await bench.inbox(joiner)).toEqual(["p"]);
  });

  test("with a reply that got lost: the call rejects, the resend is answered already, nothing is doubled", async () => {
    const bench = await benchByProxy();
    const owner = await bench.acquire(counter);
    const commit = owner.seal({ stateFields: ["2:a"], stateValues: [bytes("1")], parcels: [append(joiner, "p")] });
    proxy.mute("replies");
    const call = bench.store.commit([commit]);
    const watched = await harness.open(`by-proxy-${bench.pipeline}`);
    await eventually(async () => expect((await watched.recover([counter], { timers: 0, holds: 0 }))[0]?.number).toBe(1));
    proxy.cut();
    await expect(call).rejects.toThrow(StoreUnavailableError);
    expect((await eventually(() => bench.store.commit([commit]))).outcomes).toEqual(["already"]);
    expect(await bench.inbox(joiner)).toEqual(["p"]);
  });

  test("with many calls open: each rejects, and none is sent again behind the caller's back", async () => {
    const bench = await benchByProxy();
    const owner = await bench.acquire(counter);
    proxy.mute("requests");
    const calls = Array.from({ length: 50 }, () => bench.store.commit([owner.seal({ stateFields: ["2:a"], stateValues: [bytes("1")] })]));
    const settled = Promise.allSettled(calls);
    await until(() => proxy.lost > 0);
    proxy.cut();
    for (const result of await settled) expect(result).toMatchObject({ status: "rejected", reason: expect.any(StoreUnavailableError) });
    await eventually(() => bench.state(counter, "2:a"));
    expect([await bench.state(counter, "2:a"), (await bench.recover(counter)).number]).toEqual([[undefined], 0]);
  });

  test("a connection killed by the server is made again, and the generation stays: it is the same server", async () => {
    const store = await openAt(harness.server.socket, "killed");
    await harness.admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await eventually(() => store.readGraph());
    expect(store.generation).toBe(0);
  });
});

describe("a server that does not answer", () => {
  test("a call is given up after its time, and the store works again when the server does", async () => {
    const server = await startRedis();
    // A busy machine may need more than that to get ready.
    const store = await eventually(() => openAt(server.socket, "frozen", 200));
    server.freeze();
    const calls = [store.readGraph(), store.init(nextGraph(1), undefined)];
    for (const call of calls) await expect(call).rejects.toThrow(/no answer within 200 ms/);
    await expect(store.readGraph()).rejects.toThrow(StoreUnavailableError);
    server.thaw();
    await eventually(() => store.readGraph());
    expect(store.generation).toBe(0);
    await store.close();
    await server.stop();
  });

  test("an answer within the time is an answer, also for a call made when others were waiting", async () => {
    const store = await eventually(() => openAt(proxy.path, "patient", 400));
    for (let i = 0; i < 12; i++) {
      await store.readGraph();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(await store.readGraph()).toBeUndefined();
  });
});

describe("another server", () => {
  test("a restart raises the generation, before the first call that reaches it", async () => {
    const server = await startRedis();
    const store = await openAt(server.socket, "restarted");
    await store.init(nextGraph(1), undefined);
    for (const generation of [1, 2]) {
      await server.restart(generation === 1 ? "SIGTERM" : "SIGKILL");
      const graph = await eventually(async () => {
        const read = await store.readGraph();
        // Whatever call comes through, the generation has risen before.
        expect(store.generation).toBe(generation);
        return read;
      });
      expect(graph?.version).toBe(1);
    }
    await store.close();
    await server.stop();
  });

  test("a primary that becomes a replica is unavailable, not obeyed; its promotion raises the generation", async () => {
    const primary = await startHarness({ tcp: true });
    const server = await startHarness();
    const store = await openAt(server.server.socket, "demoted");
    await server.admin.replicaof("127.0.0.1", primary.server.port);
    await eventually(async () => expect(await server.admin.info("replication")).toMatch(/role:slave/));
    await expect(store.init(nextGraph(1), undefined)).rejects.toThrow(/READONLY|replica/);
    await eventually(async () => {
      await expect(store.readGraph()).rejects.toThrow(/is a replica.*address of its primary/);
    });
    await server.admin.replicaof("NO", "ONE");
    expect(await eventually(() => store.readGraph())).toBeUndefined();
    expect(store.generation).toBe(1);
    await store.close();
    await server.dispose();
    await primary.dispose();
  });
});

describe("scripts that the server forgot", () => {
  test("SCRIPT FLUSH between and during calls is not noticed", async () => {
    const bench = await harness.bench();
    const owner = await bench.acquire(counter);
    for (let i = 0; i < 20; i++) {
      const [reply] = await Promise.all([
        bench.store.commit([owner.seal({ stateFields: ["2:n"], stateValues: [bytes(String(i))] })]),
        harness.admin.script("FLUSH"),
        bench.store.readTails([counter]),
      ]);
      expect(reply.outcomes).toEqual(["committed"]);
      owner.number += 1;
    }
    expect(await bench.state(counter, "2:n")).toEqual(["19"]);
  });
});

describe("opening", () => {
  test("by URL, by socket, by options, by a client that stays as it is", async () => {
    const client = new Redis(harness.server.socket, { keepAlive: 1_000 });
    await client.set("mine", "1");
    for (const target of [harness.server.url, harness.server.socket, { host: "127.0.0.1", port: harness.server.port }, client]) {
      const store = await openAt(target, "forms");
      expect(await store.readGraph()).toBeUndefined();
      expect(store.description).toMatch(/^redis:\/\/.* \(Redis 7\.\d+\.\d+|Valkey.*append-only file\)$/);
      await store.close();
    }
    expect([client.status, await client.get("mine")]).toEqual(["ready", "1"]);
    await client.del("mine");
    client.disconnect();
  });

  test("a database of its own", async () => {
    const store = await openAt(`${harness.server.url}/3`, "third");
    await store.init(nextGraph(1), undefined);
    expect(store.description).toMatch(new RegExp(`^redis://127\\.0\\.0\\.1:${harness.server.port}/3 `));
    const third = new Redis(harness.server.socket, { db: 3 });
    expect(await third.exists("{millrace:third}:g")).toBe(1);
    third.disconnect();
  });

  test("one name under two prefixes is two pipelines", async () => {
    const [ours, theirs] = [await harness.open("same", { prefix: "ours" }), await harness.open("same", { prefix: "theirs" })];
    await ours.init(nextGraph(1), undefined);
    expect([(await ours.readGraph())?.version, await theirs.readGraph()]).toEqual([1, undefined]);
    expect(await theirs.init(nextGraph(4), undefined)).toBe("stored");
    expect((await ours.readGraph())?.version).toBe(1);
  });

  test("where nothing listens, at once, with the reason", async () => {
    await expect(openAt("/nowhere/redis.sock", "none")).rejects.toThrow(StoreUnavailableError);
    await expect(openAt("/nowhere/redis.sock", "none")).rejects.toThrow(/ENOENT/);
  });

  test("where something listens that never answers, after its time", async () => {
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as { port: number };
    await expect(openAt(`redis://127.0.0.1:${port}`, "silent", 150)).rejects.toThrow(/not ready within 150 ms.*; start Redis there, or name another store$/);
    silent.close();
  });

  test("closing rejects what is open, and what is called later", async () => {
    const store = await openAt(harness.server.socket, "closed");
    const call = store.readGraph();
    const closed = store.close();
    await expect(call).rejects.toThrow(StoreUnavailableError);
    await closed;
    await expect(store.readGraph()).rejects.toThrow(/was closed/);
    await store.close();
  });

  test("closing while the server is away ends the attempts to reach it", async () => {
    const server = await startRedis();
    const store = await openAt(server.socket, "away");
    await server.kill();
    await expect(eventually(() => store.readGraph(), 0)).rejects.toThrow(StoreUnavailableError);
    await store.close();
    await server.stop();
  });
});

describe("credentials", () => {
  const secret = "s3cr3t-%41";

  test("are in no description and in no error, not even when it is inspected to its depth", async () => {
    const server = await startRedis({ tcp: true, args: ["--requirepass", secret] });
    const url = (password: string): string => `redis://default:${encodeURIComponent(password)}@127.0.0.1:${server.port}`;
    const store = await openAt(url(secret), "secret");
    const shown = [store.description, inspect(store, { depth: 9, showHidden: true })];
    for (const wrong of [url("wr0ng"), `redis://127.0.0.1:${server.port}`, url("wr0ng").replace("default", "nobody")]) {
      const error: unknown = await openAt(wrong, "secret").catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StoreRefusedError);
      expect(String(error)).toMatch(/does not take the user name or password/);
      shown.push(inspect(error, { depth: 9, showHidden: true }));
    }
    await server.kill();
    shown.push(inspect(await store.readGraph().catch((thrown: unknown) => thrown), { depth: 9, showHidden: true }));
    for (const text of shown) expect(text).not.toMatch(/s3cr3t|wr0ng/);
    await store.close();
    await server.stop();
  });
});

test("the client library is loaded only when a store is opened", () => {
  const folder = new URL("../../../src/store/redis/", import.meta.url);
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".ts"))) {
    const source = readFileSync(new URL(file, folder), "utf8");
    expect(`${file}\n${source}`).not.toMatch(/^import (?!type)[^;]*"ioredis"/m);
  }
});
