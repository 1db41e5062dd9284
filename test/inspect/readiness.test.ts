/** What `/readyz` says of a worker whose store answers no call, or some alone, and that all goes on by itself afterwards. */
import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { RedisStore } from "../../src/index.ts";
import { Outage } from "../../src/worker/outage.ts";
import { startRedis } from "../support/redis-server.ts";
import { Feed } from "./feed.ts";
import { counts, Counter, inspected, items, kept, onePipeline } from "./pipelines.ts";

const POLL = { interval: 10, timeout: 30_000 };

test("a Redis whose primary becomes a replica is told of with its reason within seconds; then all goes on, and nothing is lost or doubled", async () => {
  const server = await startRedis({ tcp: true });
  const admin = new Redis(server.port, { lazyConnect: true });
  onTestFinished(async () => {
    admin.disconnect();
    await server.stop();
  });
  const feed = new Feed();
  const values: unknown[] = [];
  const pipeline = onePipeline()
    .inject("feed", items, feed.injector())
    .compute("counter", () => new Counter(() => {}))
    .sink("list", counts, kept(values));
  const { endpoint } = await inspected(pipeline, new RedisStore(server.url));
  const ready = async () => (await endpoint.readiness()).ready;
  const missing = async () => (await endpoint.readiness()).missing.join("; ");
  await expect.poll(ready, POLL).toBe(true);
  await admin.replicaof("127.0.0.1", 1);
  feed.push("a", 1);
  await expect.poll(missing, POLL).toMatch(/the store has not answered (some calls|any call) for \d+\.\d s: .*(READONLY|is a replica)/);
  await admin.replicaof("NO", "ONE");
  feed.push("a", 2);
  await expect.poll(() => values.length, POLL).toBe(2);
  await expect.poll(ready, POLL).toBe(true);
  expect(values).toEqual([1, 2]);
}, 60_000);

test("a call that is not answered once is a hiccup; what lasts a second is told, and forgotten a second after its end", () => {
  const outage = new Outage();
  outage.missed(0, "refused");
  expect([outage.lasting(0), outage.lasting(999)]).toEqual([undefined, undefined]);
  expect(outage.lasting(1_000)).toBe("the store has not answered any call for 1.0 s: refused");
  outage.answered(1_100);
  expect(outage.lasting(1_100)).toBeUndefined();
  // Read-only: what reads is answered.
  for (let now = 2_000; now <= 4_000; now += 500) {
    outage.missed(now, "READONLY");
    outage.answered(now + 10);
  }
  expect(outage.lasting(4_500)).toBe("the store has not answered some calls for 2.5 s: READONLY");
  expect(outage.lasting(5_000)).toBeUndefined();
});
