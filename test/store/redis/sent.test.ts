/** A store says when the bytes of its calls have left the process: a server that does not read, or is gone, does not keep them back for good. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { counter } from "../conformance/values.ts";
import { startHarness, type Harness } from "./harness.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.dispose());

/** More than a socket has room for. */
const LARGE = { stateFields: ["field"], stateValues: [new Uint8Array(8 << 20)] };

test("bytes for which the socket has no room are told of until the server has read them", async () => {
  const bench = await harness.bench();
  const owner = await bench.acquire(counter);
  expect(bench.store.sent()).toBeUndefined();
  harness.server.freeze();
  const commit = owner.send(LARGE);
  const sent = bench.store.sent();
  expect(sent).toBeDefined();
  expect(bench.store.sent(), "asked again, the same is waited for").toBe(sent);
  harness.server.thaw();
  await sent;
  expect(bench.store.sent()).toBeUndefined();
  expect((await commit).outcomes).toEqual(["committed"]);
});

test("bytes that are lost with their connection are told of no more", async () => {
  const bench = await harness.bench();
  const owner = await bench.acquire(counter);
  harness.server.freeze();
  const commit = owner.send(LARGE);
  const sent = bench.store.sent();
  expect(sent).toBeDefined();
  // As it stands: thawed first, it might read them all.
  process.kill(harness.server.pid, "SIGKILL");
  await sent;
  await expect(commit).rejects.toMatchObject({ code: "store-unavailable" });
  expect(bench.store.sent()).toBeUndefined();
});
