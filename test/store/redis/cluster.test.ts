/** What only a cluster does: slots that move while they are in use, primaries that die, a graph in many slots, and a pipeline through all of it. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { audit } from "../../../src/audit/audit.ts";
import { storeOf } from "../../../src/cli/store-option.ts";
import { systemClock } from "../../../src/clock.ts";
import { StoreRefusedError, StoreUnavailableError } from "../../../src/errors.ts";
import {
  Computation,
  type Context,
  fromIterable,
  input,
  LmdbStore,
  output,
  Pipeline,
  type Positioned,
  run,
  type RunningPipeline,
  state,
  stream,
  type StreamRecord,
  toFile,
} from "../../../src/index.ts";
import { indexOf, shardRef } from "../../../src/key.ts";
import { copy } from "../../../src/offline/copy.ts";
import { systemRandom } from "../../../src/random.ts";
import { RedisStore } from "../../../src/store/redis/redis-store.ts";
import { domainTags, slotOfDomain, slotOfTag } from "../../../src/store/redis/slots.ts";
import type { PipelineStore } from "../../../src/store/store.ts";
import { workerOf } from "../../../src/run.ts";
import { type RedisCluster, startCluster } from "../../support/redis-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { Bench, type Owner } from "../conformance/bench.ts";
import { append, bytes, COUNTER, JOINER, nextGraph } from "../conformance/values.ts";
import { eventually } from "./harness.ts";

const DOMAINS = 4;
let cluster: RedisCluster;
const opened: PipelineStore[] = [];
beforeAll(async () => {
  cluster = await startCluster();
}, 60_000);
afterAll(async () => {
  for (const store of opened) await store.close();
  await cluster.stop();
});

async function open(pipeline: string, domains?: number): Promise<PipelineStore> {
  const target = domains === undefined ? { cluster: cluster.urls } : { cluster: cluster.urls, domains };
  const store = await new RedisStore(target, { timeoutMs: 2_000 }).open({ pipeline, clock: systemClock, random: systemRandom });
  opened.push(store);
  return store;
}

async function benchOn(): Promise<Bench> {
  const opening = (pipeline: string): Promise<PipelineStore> => open(pipeline, DOMAINS);
  const bench = new Bench({
    clock: "server",
    open: opening,
    reopen: opening,
    pipelines: async () => [],
    read: async () => Promise.reject(new Error("unused")),
    dispose: async () => {},
  });
  await bench.open();
  return bench;
}

describe("slots", () => {
  test("of tags are those that the server computes", async () => {
    const { admin } = cluster.nodes[0]!;
    for (const tag of ["a", "millrace:zeitgeist", "millrace:zeitgeist/6ck", "123456789"])
      expect(slotOfTag(tag)).toBe(await admin.call("CLUSTER", "KEYSLOT", `{${tag}}:x`));
  });

  test("of domains are spread evenly, and their tags lie in them, always the same", () => {
    for (const domains of [2, 16, 1_000]) {
      const tags = domainTags("millrace:p/", domains);
      expect(tags.map(slotOfTag)).toEqual(Array.from({ length: domains }, (_, domain) => slotOfDomain(domain, domains)));
      expect(new Set(tags).size).toBe(domains);
    }
    expect(domainTags("millrace:zeitgeist/", 2)).toEqual(domainTags("millrace:zeitgeist/", 2));
  });
});

describe("the number of domains", () => {
  test("is kept with the data: another is refused, none is that of the data", async () => {
    const first = await open("kept-domains", 5);
    expect(await first.init(nextGraph(1), undefined)).toBe("stored");
    expect((await open("kept-domains")).domains).toBe(5);
    await expect(open("kept-domains", 6)).rejects.toThrow(/in 5 atomic domains, which never change/);
    expect((await open("other-domains")).domains).toBe(16);
  });

  test("that two have chosen differently for new data is that of the first", async () => {
    const [first, second] = [await open("race-domains", 3), await open("race-domains", 7)];
    expect(await first.init(nextGraph(1), undefined)).toBe("stored");
    await expect(second.readGraph()).rejects.toThrow(StoreRefusedError);
  });
});

test("bytes for which the sockets of two nodes have no room are told of until both have read them", async () => {
  const bench = await benchOn();
  const owners = await Promise.all([0, 1, 2, 3].map((index) => bench.acquire(shardRef(COUNTER, index))));
  const primaries = await Promise.all(owners.map((_, domain) => cluster.primaryOf(slotOfDomain(domain, DOMAINS))));
  const [one, other] = [0, primaries.findIndex((primary) => primary !== primaries[0])];
  const large = { stateFields: ["field"], stateValues: [new Uint8Array(8 << 20)] };
  const nodes = [one, other].map((domain) => primaries[domain]!.server);
  for (const node of nodes) node.freeze();
  const commits = [one, other].map((domain) => owners[domain]!.send(large));
  let told = false;
  const sent = bench.store.sent()?.then(() => (told = true));
  expect(sent).toBeDefined();
  nodes[0]!.thaw();
  expect((await commits[0])?.outcomes).toEqual(["committed"]);
  expect(told).toBe(false);
  nodes[1]!.thaw();
  await sent;
  expect(bench.store.sent()).toBeUndefined();
  expect((await commits[1])?.outcomes).toEqual(["committed"]);
});

describe("a change of the graph", () => {
  test("that was killed between two domains is carried to its end by whoever reads the graph next", async () => {
    const bench = await benchOn();
    const owner = await bench.acquire(shardRef(COUNTER, 1));
    await owner.commit({ stateFields: ["2:x"], stateValues: [bytes("kept")] });
    const graph = nextGraph(2, { removed: [JOINER], added: true });
    const change = { expected: 1, graph, added: [{ id: 5, shards: 3 }], removed: [{ id: JOINER, shards: 4 }] };
    const tag = `{millrace:${bench.pipeline}}`;
    const { admin } = await cluster.primaryOf(slotOfTag(tag.slice(1, -1)));
    await admin.hset(`${tag}:g`, "next", JSON.stringify(change));
    // Decided, and nothing of it done: two come at once.
    const others = [await open(bench.pipeline), await open(bench.pipeline)];
    expect(await Promise.all(others.map((store) => store.readGraph()))).toEqual([graph, graph]);
    expect(await owner.outcome()).toBe("stale-graph");
    expect(await bench.state(shardRef(COUNTER, 1), "2:x")).toEqual(["kept"]);
    await expect(others[0]!.summarize([shardRef(JOINER, 0)])).rejects.toThrow(/not in the stored graph/);
    expect((await others[0]!.summarize([shardRef(5, 2)]))[0]).toMatchObject({ number: 0 });
    expect(await others[1]!.init(nextGraph(3), 1)).toBe("changed-meanwhile");
  });

  test("is found missing in a domain that has lost its tail, and made up for", async () => {
    const bench = await benchOn();
    const [tag = ""] = domainTags(`millrace:${bench.pipeline}/`, DOMAINS);
    const { admin } = await cluster.primaryOf(slotOfTag(tag));
    await admin.hset(`{${tag}}:g`, "version", 0);
    await admin.del(...["s", "m", "i"].map((structure) => `{${tag}}:0:${COUNTER}:${structure}`));
    const owner = await bench.acquire(shardRef(COUNTER, 4 % DOMAINS)).catch(() => undefined);
    expect(owner).toBeUndefined();
    await bench.store.readGraph();
    expect(await (await bench.acquire(shardRef(COUNTER, 0))).outcome()).toBe("committed");
  });
});

/** Counts in its state, and appends each number once, through whatever happens. */
async function work(bench: Bench, owner: Owner, target: number, own: number, until: () => boolean): Promise<number> {
  let n = 0;
  while (!until()) {
    n += 1;
    const commit = owner.seal({ stateFields: ["2:n"], stateValues: [bytes(String(n))], parcels: [append(target, `${own}-${n}`)] });
    const reply = await eventually(() =>
      bench.store.commit([commit]).catch((error: unknown) => {
        expect(error).toBeInstanceOf(StoreUnavailableError);
        throw error;
      }),
    );
    expect(["committed", "already"]).toContain(reply.outcomes[0]);
    owner.number += 1;
  }
  return n;
}

test("slots that move under commits lose and double nothing, and nothing that is remembered is given up", async () => {
  const bench = await benchOn();
  const { generation } = bench.store;
  const shards = [0, 1, 2, 3].map((index) => shardRef(COUNTER, index));
  const targets = [0, 1, 2, 3].map((index) => shardRef(JOINER, index));
  const owners = await Promise.all(shards.map((shard) => bench.acquire(shard)));
  let moved = false;
  const working = owners.map((owner, i) => work(bench, owner, targets[i]!, i, () => moved));
  for (const domain of [0, 2, 0]) {
    const slot = slotOfDomain(domain, DOMAINS);
    await cluster.moveSlot(slot, await cluster.otherThan(slot), 2);
  }
  moved = true;
  const counts = await Promise.all(working);
  for (const [i, count] of counts.entries()) {
    expect(count).toBeGreaterThan(10);
    expect(await bench.inbox(targets[i]!)).toEqual(Array.from({ length: count }, (_, n) => `${i}-${n + 1}`));
    expect(await bench.state(shards[i]!, "2:n")).toEqual([String(count)]);
  }
  expect(bench.store.generation).toBe(generation);
}, 60_000);

// ── a whole pipeline ──────────────────────────────────────────────────────────────────────────────────────────────

const RECORDS = 3_000;
const KEYS = 40;
const fresh = temporaryDirectory();
const numbers = stream<number>("numbers");
const totals = stream<{ readonly key: string; readonly count: number; readonly n: number }>("totals");

class Count extends Computation {
  readonly numbers = input(numbers, { key: (n) => `k${n % KEYS}` });
  readonly totals = output(totals);
  readonly count = state("count", { initial: 0 });
  override processRecord(record: StreamRecord<number>, context: Context): void {
    const count = context.state(this.count).get() + 1;
    context.state(this.count).set(count);
    context.produce(this.totals, { key: context.key, count, n: record.value });
  }
}

interface Gate {
  /** Numbers below it are given. */
  allowed: number;
}

/** Counts numbers by key, and writes each count to a file. */
function counting(name: string, path: string, gate: Gate): Pipeline {
  async function* source(position: number | undefined): AsyncGenerator<Positioned<number, number>[]> {
    for (let next = position === undefined ? 0 : position + 1; next < RECORDS; ) {
      while (next >= gate.allowed) await new Promise((resolve) => setTimeout(resolve, 5));
      const chunk = Array.from({ length: Math.min(50, gate.allowed - next) }, (_, i) => ({ value: next + i, position: next + i, timestamp: next + i }));
      next += chunk.length;
      yield chunk;
    }
  }
  return new Pipeline(name, { shards: 16 })
    .inject(
      "numbers",
      numbers,
      fromIterable<number, number>((position) => source(position)),
    )
    .compute("count", Count)
    .sink("totals-file", totals, toFile(path));
}

test("a pipeline over many domains is exact through slots that move, and a primary that dies and is replaced", async () => {
  const directory = fresh("cluster");
  mkdirSync(directory);
  const path = join(directory, "totals.ndjson");
  const gate: Gate = { allowed: 0 };
  const pipeline = counting("exact", path, gate);
  const written = (): number => (existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0);
  const store = () => new RedisStore({ cluster: cluster.urls, domains: 16 }, { timeoutMs: 2_000 });
  const running: RunningPipeline = await run(pipeline, { store: store(), leaseMs: 1_000 });
  const { finished } = running;
  finished.catch(() => {});
  const through = (n: number) => eventually(async () => expect(written()).toBeGreaterThanOrEqual(n), 60_000);
  try {
    gate.allowed = 1_000;
    await through(100);
    for (const domain of [1, 5]) {
      const slot = slotOfDomain(domain, 16);
      await cluster.moveSlot(slot, await cluster.otherThan(slot));
    }
    await through(1_000);
    // What is on one node alone would be lost with it: that is what the tests of lost tails are about.
    await new Promise((resolve) => setTimeout(resolve, 500));
    await cluster.failOver(await cluster.primaryOf(slotOfDomain(3, 16)));
    gate.allowed = RECORDS;
    await finished;
    const { delivery } = workerOf(running).engine;
    expect(delivery.counted.delivered).toBeGreaterThan(20);
    expect(delivery.counted.lost).toBe(0);
  } finally {
    await running.stop();
  }
  // As the command line names it, and reads it.
  const named = storeOf(`redis-cluster://${cluster.urls.map((url) => url.slice("redis://".length)).join(",")}?durability=primary`).store;
  expect((await audit(named, { pipeline: "exact" })).violations).toBe(0);
  const elsewhere = new LmdbStore(join(directory, "copy"));
  const back = new RedisStore({ cluster: cluster.urls }, { prefix: "copied" });
  for (const [from, to] of [[named, elsewhere] as const, [elsewhere, back] as const]) {
    const copied = await copy({ clock: systemClock, random: systemRandom, tell: () => {}, pipeline: "exact", from, to });
    expect(copied).toMatchObject({ pipeline: "exact", differing: 0, violations: 0 });
  }
  const all = readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { key: string; count: number; n: number });
  expect(all).toHaveLength(RECORDS);
  for (let key = 0; key < KEYS; key++) {
    const of = all.filter((total) => total.key === `k${key}`);
    expect(of.map(({ n }) => n)).toEqual(Array.from({ length: RECORDS / KEYS }, (_, i) => key + i * KEYS));
    expect(of.map(({ count }) => count)).toEqual(Array.from({ length: RECORDS / KEYS }, (_, i) => i + 1));
  }
}, 120_000);

test("a node that goes back alone, as its commits wait for no replica, is found and told of by its own shards, and the run comes to its end", async () => {
  const directory = fresh("gone-back");
  mkdirSync(directory);
  const gate: Gate = { allowed: 500 };
  const store = new RedisStore({ cluster: cluster.urls, domains: 16 }, { timeoutMs: 2_000 });
  const running = await run(counting("gone-back", join(directory, "totals.ndjson"), gate), { store, leaseMs: 1_000, batchRecords: 32, log: () => {} });
  running.finished.catch(() => {});
  const { engine } = workerOf(running);
  const committed = async (n: number) => eventually(async () => expect(engine.counted.commits).toBeGreaterThan(n), 60_000);
  try {
    await committed(20);
    const victim = await cluster.withReplica();
    const domains = new Set<number>();
    for (let domain = 0; domain < 16; domain++) if ((await cluster.primaryOf(slotOfDomain(domain, 16))) === victim) domains.add(domain);
    // Acknowledged by the victim.
    const there = (): number => [...engine.shards.values()].reduce((sum, shard) => sum + (domains.has(indexOf(shard.ref) % 16) ? shard.acknowledged : 0), 0);
    await cluster.cut(victim);
    const before = there();
    gate.allowed = 1_500;
    await eventually(async () => expect(there()).toBeGreaterThan(before + 8), 60_000);
    await cluster.takeOver(victim);
    gate.allowed = RECORDS;
    await eventually(async () => expect(engine.lostTails.counted.tails).toBeGreaterThan(0), 60_000);
    const [lost] = engine.lostTails.found;
    expect(lost?.shards.length).toBeGreaterThan(0);
    for (const { shard, exact } of lost?.shards ?? []) expect([domains.has(shard % 16), exact]).toEqual([true, true]);
    await running.finished;
  } finally {
    await running.stop();
  }
}, 120_000);
