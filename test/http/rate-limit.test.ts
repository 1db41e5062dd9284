/** A client may make so many requests a second; beyond that it is told when to come again, and others are not. */
import { expect, onTestFinished, test } from "vitest";
import { RateLimit, rateOf } from "../../src/http/rate-limit.ts";
import { ConfigError, MemoryStore, run } from "../../src/index.ts";
import { ask, JSON_TYPE, visiting } from "./posting.ts";

test("a bucket holds what a second brings, and is filled at the rate", () => {
  const limit = new RateLimit(10);
  const taken = (count: number, now: number, address = "10.0.0.1") => Array.from({ length: count }, () => limit.wait(address, now));
  expect(taken(11, 0)).toEqual([...Array.from({ length: 10 }, () => 0), 100]);
  expect(taken(1, 0, "10.0.0.2")).toEqual([0]);
  expect(taken(2, 99)).toEqual([1, 1]);
  expect(taken(2, 100)).toEqual([0, 100]);
  expect(taken(1, 50)).toEqual([100]);
  expect(taken(11, 10_000).at(-1)).toBe(100);
});

test("on loopback, where a proxy may ask for all, nobody is limited unless the option says so", () => {
  expect([rateOf(undefined, false), rateOf(undefined, true), rateOf(9, false), rateOf(false, true)]).toEqual([undefined, 2_000, 9, undefined]);
});

test("a client is an IPv4 address, or the first half of an IPv6 address", () => {
  const limit = new RateLimit(1);
  const first = (address: string) => limit.wait(address, 0) === 0;
  expect(["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8:0:0:9:8:7:6", "2001:db8:0:1::1", "::1", "fe80::1%eth0", "fe80::2"].map(first)).toEqual([
    true,
    false,
    true,
    false,
    true,
    true,
    true,
    false,
  ]);
});

test("what is kept of clients is bounded, and who asks is not forgotten", () => {
  const limit = new RateLimit(1);
  expect(limit.wait("10.9.9.9", 0)).toBe(0);
  for (let i = 0; i < 10_000; i++) {
    limit.wait(`10.0.${i >> 8}.${i & 255}`, 0);
    if (i % 1_000 === 0) expect(limit.wait("10.9.9.9", 0)).toBe(1_000);
  }
  expect(limit.wait("10.0.0.0", 0)).toBe(0);
});

test("a request beyond the rate is 429 with when to come again, before anything of it is looked at", async () => {
  const running = await run(visiting([]), { store: new MemoryStore(), http: { port: 0, requestsPerSecond: 3 }, log: () => {} });
  onTestFinished(() => running.stop());
  const posted = await Promise.all(
    Array.from({ length: 20 }, () => ask(new URL(running.url ?? ""), "POST", "/v1/streams/none/records", '{"page":"a"}', JSON_TYPE)),
  );
  const told = posted.find(({ status }) => status === 429);
  expect(posted.map(({ status }) => status)).toContain(404);
  expect(told?.headers).toMatchObject({ "retry-after": "1", connection: "close" });
  expect(told?.json).toEqual({ error: { code: "too-many-requests", message: expect.stringContaining("3 a second") } });
});

test("a rate that cannot be meant is refused", async () => {
  for (const requestsPerSecond of [0, -1, 1.5, Number.NaN, "9"])
    await expect(run(visiting([]), { store: new MemoryStore(), http: { port: 0, requestsPerSecond: requestsPerSecond as number } })).rejects.toThrow(
      ConfigError,
    );
});
