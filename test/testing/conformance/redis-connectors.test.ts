/** The conformance suites on the connectors to Redis Streams and BullMQ, each on a server of its own. */
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, test } from "vitest";
import { fromBullMq, toBullMq } from "../../../src/bullmq/index.ts";
import { fromRedisStream, toRedisStream } from "../../../src/redis-streams/index.ts";
import { type ConnectorCheck, injectorChecks, type InjectorHarness, sinkChecks, type SinkHarness } from "../../../src/testing/index.ts";
import { type RedisServer, startRedis } from "../../support/redis-server.ts";

let server: RedisServer;
let client: Redis;
let used = 0;
beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.socket);
});
afterAll(async () => {
  client.disconnect();
  await server.stop();
});

const name = (kind: string) => `${kind}-${(used += 1)}`;
const connection = () => server.socket;

async function streamIn(): Promise<InjectorHarness<{ n: string }>> {
  const key = name("in");
  let filled = 0;
  return {
    injector: () => fromRedisStream<{ n: string }>(key, { connection: connection() }),
    fill: async (count) => {
      const added = Array.from({ length: count }, () => String(filled++));
      for (const n of added) await client.xadd(key, "*", "n", n);
      return added;
    },
    identify: ({ n }) => n,
  };
}

async function streamOut(): Promise<SinkHarness<string>> {
  const key = name("out");
  return {
    sink: () => toRedisStream<string>(key, { connection: connection(), fields: ({ value }) => ({ value }) }),
    value: (i) => `value ${i}`,
    identify: (value) => value,
    read: async () => (await client.xrange(key, "-", "+")).map(([, fields]) => fields[fields.indexOf("value") + 1] as string),
    guarantee: "exactly once",
  };
}

async function queueIn(): Promise<InjectorHarness<{ n: number }>> {
  const queue = new Queue(name("jobs"), { connection: { path: server.socket } });
  let filled = 0;
  return {
    injector: () => fromBullMq<{ n: number }>(queue.name, { connection: { path: server.socket } }),
    fill: async (count) => {
      const added = Array.from({ length: count }, () => filled++);
      await queue.addBulk(added.map((n) => ({ name: "job", data: { n } })));
      return added.map(String);
    },
    identify: ({ n }) => String(n),
    // Jobs that were given back come behind the others.
    ordered: false,
    close: async () => {
      await queue.close();
    },
  };
}

async function queueOut(): Promise<SinkHarness<string>> {
  const queue = new Queue(name("done"), { connection: { path: server.socket } });
  return {
    sink: () => toBullMq<string>(queue.name, { connection: { path: server.socket }, data: ({ value }) => ({ value }) }),
    value: (i) => `value ${i}`,
    identify: (value) => value,
    read: async () => (await queue.getJobs(["waiting"], 0, -1, true)).map((job) => (job.data as { value: string }).value),
    guarantee: "exactly once",
    close: async () => {
      await queue.close();
    },
  };
}

function runAll(checks: readonly ConnectorCheck[]): void {
  for (const { name: claim, run } of checks) test(claim, run, 120_000);
}

describe("fromRedisStream", () => {
  runAll(injectorChecks(streamIn));
});
describe("toRedisStream", () => {
  runAll(sinkChecks(streamOut));
});
describe("fromBullMq", () => {
  runAll(injectorChecks(queueIn));
});
describe("toBullMq", () => {
  runAll(sinkChecks(queueOut));
});
