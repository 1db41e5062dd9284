/**
 * What a commit costs in Redis and in Node, per record: `npx jiti bench/redis-commit.ts [rounds] [server arguments]`,
 * as in `npx jiti bench/redis-commit.ts 5 --appendonly no`.
 *
 * Starts a redis-server of its own (unix socket, append-only file, everysec). Each round sends calls of 64 commits, two
 * calls in flight; a commit consumes one parcel of 16 records and writes 16 state fields of 100 bytes, over 1,000 keys
 * a shard. "fan-out" commits also append a parcel to each of 16 inboxes. "inject" sends calls of one commit with 64
 * parcels of 16 records. "read" asks for 16 state fields of each of 64 shards at once. CPU of Redis is INFO cpu, of Node process.cpuUsage; the clock tells records per second.
 *
 * Not measured: user code, codecs, a network.
 */
import { Redis } from "ioredis";
import { systemClock } from "../src/clock.ts";
import { HASH_NAME, shardRef, type ShardRef } from "../src/key.ts";
import { systemRandom } from "../src/random.ts";
import type { Commit, Consumption, ParcelAppend } from "../src/store/commit.ts";
import { RedisStore } from "../src/store/redis/redis-store.ts";
import type { PipelineStore } from "../src/store/store.ts";
import { DATA_FORMAT, type StoredGraph, type StoredParticipant } from "../src/store/stored-graph.ts";
import { startRedis } from "../test/support/redis-server.ts";

const SHARDS = 64;
const RECORDS = 16;
const KEYS = 1_000;
const CALLS = 200;
const IN_FLIGHT = 2;
const [SOURCE, COUNTER, JOINER] = [1, 2, 3];

const participant = (id: number, kind: StoredParticipant["kind"], shards: number): StoredParticipant => ({
  id,
  name: `p${id}`,
  kind,
  shards,
  inputs: [],
  outputs: [],
  cells: [],
  timers: [],
});
const graph: StoredGraph = {
  format: DATA_FORMAT,
  version: 1,
  pipeline: "bench",
  shards: SHARDS,
  hash: HASH_NAME,
  nextId: 9,
  participants: [participant(SOURCE, "injector", 1), participant(COUNTER, "computation", SHARDS), participant(JOINER, "computation", SHARDS)],
};

interface Owner {
  readonly shard: ShardRef;
  readonly sequencer: string;
  number: number;
  position: number;
}

const value = new Uint8Array(100).fill(7);
const fields = Array.from({ length: KEYS }, (_, i) => `1:user-${i * 7919}`);
const values = Array.from({ length: RECORDS }, () => value);
const image = new Uint8Array(60);

let random = 1;
const next = (limit: number): number => (random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fffffff) % limit;

/** A parcel whose identity is its number. */
function parcel(number: number, records: number): Uint8Array {
  const bytes = new Uint8Array(24 + records * 110);
  new DataView(bytes.buffer).setFloat64(0, number);
  return bytes;
}

/** One literal for all commits, as the engine has: objects of one shape. */
function seal(owner: Owner, consumed: Consumption | undefined, stateFields: readonly string[], parcels: readonly ParcelAppend[]): Commit {
  return {
    shard: owner.shard,
    sequencer: owner.sequencer,
    number: ++owner.number,
    id: systemRandom.id(),
    graphVersion: 1,
    consumed,
    image,
    stateFields,
    stateValues: stateFields.length === 0 ? [] : values,
    timerSets: [],
    timerDeletes: [],
    holdSets: [],
    holdDeletes: [],
    heldPuts: [],
    heldDeletes: [],
    deadPuts: [],
    deadDeletes: [],
    ids: [],
    idsExpireBelow: undefined,
    parcels,
    handed: [],
    outbox: [],
    outboxDeletes: [],
    entries: [],
  };
}

function counting(owner: Owner, parcels: readonly ParcelAppend[]): Commit {
  const identity = parcel(owner.position, 0);
  owner.position += 1;
  return seal(
    owner,
    { position: owner.position, offset: 0, records: RECORDS, identity },
    values.map(() => fields[next(KEYS)]!),
    parcels,
  );
}

async function inFlight(calls: number, call: () => Promise<unknown>): Promise<void> {
  let left = calls;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (left-- > 0) await call();
    }),
  );
}

async function redisCpu(admin: Redis): Promise<number> {
  const info = await admin.info("cpu");
  return ["user", "sys"].reduce((total, kind) => total + Number(new RegExp(`used_cpu_${kind}:([\\d.]+)`).exec(info)?.[1]) * 1e6, 0);
}

async function measure(name: string, admin: Redis, calls: number, recordsPerCall: number, run: () => Promise<void>): Promise<void> {
  const redisBefore = await redisCpu(admin);
  const nodeBefore = process.cpuUsage();
  const start = performance.now();
  await run();
  const seconds = (performance.now() - start) / 1_000;
  const node = process.cpuUsage(nodeBefore);
  const redis = (await redisCpu(admin)) - redisBefore;
  const records = calls * recordsPerCall;
  const each = (micros: number): string => (micros / records).toFixed(2).padStart(6);
  console.log(
    `${name.padEnd(8)} ${Math.round(records / seconds)
      .toString()
      .padStart(8)} records/s   Redis ${each(redis)} us   Node ${each(node.user + node.system)} us   per record`,
  );
}

async function acquire(store: PipelineStore, shards: readonly ShardRef[]): Promise<Owner[]> {
  const outcomes = await store.acquire({ worker: "bench", shards, leaseMs: 3_600_000 });
  return outcomes.map((outcome, i) => {
    if (outcome.kind !== "acquired") throw new Error("not acquired");
    return { shard: shards[i]!, sequencer: outcome.sequencer, number: 0, position: 0 };
  });
}

async function expectCommitted(store: PipelineStore, commits: readonly Commit[]): Promise<void> {
  const { outcomes } = await store.commit(commits);
  const refused = outcomes.find((outcome) => outcome !== "committed");
  if (refused !== undefined) throw new Error(`a commit was ${refused}`);
}

const [rounds = "3", ...args] = process.argv.slice(2);
const server = await startRedis({ args });
const admin = new Redis(server.socket);
const store = await new RedisStore(server.url).open({ pipeline: "bench", clock: systemClock, random: systemRandom });
console.log(store.description);
await store.init(graph, undefined);
const all = (id: number): ShardRef[] => Array.from({ length: SHARDS }, (_, index) => shardRef(id, index));
const [source] = await acquire(store, [shardRef(SOURCE, 0)]);
const counters = await acquire(store, all(COUNTER));
let produced = 0;

for (let round = 0; round < Number(rounds); round++) {
  const inject = async (): Promise<void> => {
    const bytes = parcel(produced++, RECORDS);
    const parcels = all(COUNTER).map((target) => ({ target, records: RECORDS, bytes }));
    await expectCommitted(store, [seal(source!, undefined, [], parcels)]);
  };
  await measure("inject", admin, 2 * CALLS, SHARDS * RECORDS, () => inFlight(2 * CALLS, inject));
  await measure("state", admin, CALLS, SHARDS * RECORDS, () =>
    inFlight(CALLS, () =>
      expectCommitted(
        store,
        counters.map((owner) => counting(owner, [])),
      ),
    ),
  );
  const out = parcel(-1, 1);
  const fanOut = (): ParcelAppend[] => values.map(() => ({ target: shardRef(JOINER, next(SHARDS)), records: 1, bytes: out }));
  await measure("fan-out", admin, CALLS, SHARDS * RECORDS, () =>
    inFlight(CALLS, () =>
      expectCommitted(
        store,
        counters.map((owner) => counting(owner, fanOut())),
      ),
    ),
  );
  const read = (): Promise<unknown> =>
    Promise.all(
      counters.map(({ shard }) =>
        store.readState(
          shard,
          values.map(() => fields[next(KEYS)]!),
        ),
      ),
    );
  await measure("read", admin, CALLS, SHARDS * RECORDS, () => inFlight(CALLS, read));
  // Not measured: the inboxes that fan-out fills are emptied, so that memory does not grow.
  const joiners = await acquire(store, all(JOINER));
  const recovered = await store.recover(
    joiners.map(({ shard }) => shard),
    { timers: 0, holds: 0 },
  );
  await store.commit(
    joiners.map((owner, i) => {
      owner.number = recovered[i]!.number;
      const { tail, queued } = recovered[i]!;
      return seal(owner, { position: tail, offset: 0, records: queued, identity: out.subarray(0, 24) }, [], []);
    }),
  );
}
admin.disconnect();
await store.close();
await server.stop();
