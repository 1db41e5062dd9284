/** BullMQ's queues as sinks, on both versions and a real Redis: one job a record, whatever happens to Redis. */
import { describe, expect, test } from "vitest";
import { toBullMq } from "../../src/bullmq/index.ts";
import { jobIdOf } from "../../src/bullmq/job-id.ts";
import type { SinkWriter, StreamRecord } from "../../src/index.ts";
import { startRedis } from "../support/redis-server.ts";
import { redisForTests, VERSIONS } from "./versions.ts";

const redis = redisForTests(["--appendfsync", "always"]);
let used = 0;

const recordOf = (id: string, value: unknown = { id }): StreamRecord<unknown> =>
  ({ id, key: "k", value, timestamp: 1_000, late: false, is: () => false }) as unknown as StreamRecord<unknown>;

describe.each(VERSIONS)("a sink of a queue of %s", (_, module) => {
  test("adds one job a record, however often the record is written", async () => {
    const queue = redis.queue(module, `out${used++}`);
    const target = toBullMq<unknown>(queue.name, { connection: redis.server.url, module });
    const ids = ["3.1700000000000.0", "12", "0", "a:b", "a%3Ab", "ü/x y", "-5"];
    for (let round = 0; round < 3; round++) {
      const writer = await target.open(undefined);
      expect(await writer.write(ids.map((id) => recordOf(id)))).toBeUndefined();
      await writer.close();
    }
    const jobs = await queue.getJobs(["wait"]);
    expect(jobs.map(({ data }) => (data as { id: string }).id).sort()).toEqual([...ids].sort());
    expect(jobs.map(({ id = "" }) => id).sort()).toEqual(ids.map(jobIdOf).sort());
  });

  test("lets the user say name, data, options and id of a job", async () => {
    const queue = redis.queue(module, `out${used++}`);
    const target = toBullMq<{ readonly n: number }>(queue.name, {
      connection: redis.server.url,
      module,
      name: ({ value }) => `n${value.n}`,
      data: ({ value, timestamp }) => ({ twice: 2 * value.n, timestamp }),
      options: () => ({ priority: 3, attempts: 7 }),
      id: ({ id }) => `shop/${id}`,
    });
    const writer = await target.open(undefined);
    await writer.write([recordOf("a", { n: 4 })]);
    await writer.close();
    const job = await queue.getJob("shop/a");
    expect([job?.name, job?.data, job?.opts.priority, job?.opts.attempts]).toEqual(["n4", { twice: 8, timestamp: 1_000 }, 3, 7]);
  });

  test("says of what BullMQ refuses, or its functions throw, that a record is at fault, and adds nothing of that write", async () => {
    const queue = redis.queue(module, `out${used++}`);
    const wrong = async (options: object): Promise<string> => {
      const writer = await toBullMq<unknown>(queue.name, { connection: redis.server.url, module, ...options }).open(undefined);
      const error: unknown = await writer.write([recordOf("a"), recordOf("b")]).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      await writer.close();
      return `${(error as Error).name}: ${(error as Error).message}`;
    };
    expect(await wrong({ options: ({ id }: { id: string }) => (id === "b" ? { priority: 1.5 } : {}) })).toBe("Error: Priority should not be float");
    expect(await wrong({ id: () => "" })).toContain('id gave ""');
    expect(await wrong({ data: ({ id }: { id: string }) => (id === "b" ? { n: 1n } : {}) })).toContain("BigInt");
    expect(await queue.getJobCounts("wait", "prioritized")).toEqual({ wait: 0, prioritized: 0 });
  });

  test("says that the target cannot be reached while Redis is down, and writes again when it is back", async () => {
    const server = await startRedis({ tcp: true, args: ["--appendfsync", "always"] });
    const target = toBullMq<unknown>("out", { connection: server.url, module });
    let writer: SinkWriter = await target.open(undefined);
    await writer.write([recordOf("a")]);
    await server.kill();
    await expect(writer.write([recordOf("b")])).rejects.toMatchObject({ name: "SinkUnavailableError" });
    await writer.close();
    await server.start();
    writer = await target.open(undefined);
    await writer.write([recordOf("a"), recordOf("b")]);
    await writer.close();
    const queue = new module.Queue("out", { connection: { host: "127.0.0.1", port: server.port, maxRetriesPerRequest: null } });
    expect((await queue.getJobs(["wait"])).map(({ id = "" }) => id).sort()).toEqual(["a", "b"]);
    await queue.close();
    await server.stop();
  });
});

test("two ids of records never make one id of a job, and none is what BullMQ refuses", () => {
  const ids = ["1", "%31", "a:b", "a%3Ab", "a%253Ab", "0", "+7", "-7", "%2B7", "ü", "%C3%BC", "a b", "007", "1.5", "repeat"];
  const made = ids.map(jobIdOf);
  expect(new Set(made).size).toBe(ids.length);
  for (const id of made) expect(id).toMatch(/^(?![+-]?\d+$)[\x21-\x39\x3b-\x7e]+$/);
  expect(made.map(decodeURIComponent)).toEqual(ids);
});

test.each<[string, () => unknown, string]>([
  ["a queue with a colon", () => toBullMq("a:b", { connection: "/s" }), 'a text without ":"'],
  ["no connection", () => toBullMq("a", {} as never), "toBullMq (a): connection is a URL"],
  ["data that is no function", () => toBullMq("a", { connection: "/s", data: {} as never }), "data is a function of the record"],
  ["a misspelt option", () => toBullMq("a", { connection: "/s", jobId: "x" } as never), 'no option "jobId"'],
])("%s is a ConfigError", (_, make, text) => {
  expect(make).toThrow(text);
});
