/**
 * A Redis that is killed while it appends a transaction to its file. Half of it is left there, which is not applied at the
 * next start; what comes after must not make it whole.
 */
import { readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DecodeError } from "../../../src/errors.ts";
import { audit } from "../../../src/inspect/index.ts";
import type { Commit } from "../../../src/store/commit.ts";
import { RedisStore } from "../../../src/store/redis/redis-store.ts";
import type { Bench } from "../conformance/bench.ts";
import { append, bytes, consumed, counter, joiner } from "../conformance/values.ts";
import { eventually, type Harness, startHarness } from "./harness.ts";

let harness: Harness;
beforeEach(async () => {
  harness = await startHarness({ args: ["--appendfsync", "always"] });
});
afterEach(() => harness.dispose());

/** Cuts the last EXEC of the file in two. */
function tear(directory: string): void {
  const folder = join(directory, "appendonlydir");
  const file = join(folder, readdirSync(folder).find((name) => name.endsWith(".incr.aof")) as string);
  const end = readFileSync(file, "latin1");
  expect(end.endsWith("$4\r\nEXEC\r\n")).toBe(true);
  truncateSync(file, end.length - 3);
}

const rewritten = async (): Promise<string | undefined> => /aof_last_rewrite_time_sec:(-?\d+)/.exec(await harness.admin.info("persistence"))?.[1];
const inboxOf = (bench: Bench): Promise<string[]> => eventually(() => bench.inbox(joiner));

/** A commit that takes effect, and one that Redis is killed in; gives what commits that one again. */
async function killedInACommit(bench: Bench): Promise<() => Promise<unknown>> {
  const owner = await bench.acquire(counter);
  await owner.commit({ parcels: [append(joiner, "a")] });
  return killedIn(bench, owner.seal({ parcels: [append(joiner, "b")], stateFields: ["2:a"], stateValues: [bytes("1")] }));
}

async function killedIn(bench: Bench, cut: Commit): Promise<() => Promise<unknown>> {
  await bench.store.commit([cut]);
  await harness.server.kill();
  tear(harness.server.directory);
  await harness.server.start();
  return () => eventually(() => bench.store.commit([cut]));
}

/** What an audit finds of inboxes. */
async function found(bench: Bench): Promise<string[]> {
  const { invariants } = await audit(new RedisStore(harness.server.url), { pipeline: bench.pipeline });
  return invariants.find(({ invariant }) => invariant === "inbox-position")!.examples.map((example) => example.found);
}

describe("a commit that Redis was killed in", () => {
  test("takes effect once, when it is sent again, and not once more at a later start", async () => {
    const bench = await harness.bench();
    const again = await killedInACommit(bench);
    expect(await inboxOf(bench)).toEqual(["a"]);
    await eventually(async () => expect(Number(await rewritten())).toBeGreaterThanOrEqual(0));
    await again();
    expect(await inboxOf(bench)).toEqual(["a", "b"]);
    await harness.server.restart("SIGKILL");
    expect(await inboxOf(bench)).toEqual(["a", "b"]);
  });

  test("is left to whoever runs the server where `rewriteAof` is false", async () => {
    const bench = await harness.bench({ rewriteAof: false });
    const again = await killedInACommit(bench);
    await again();
    expect(await inboxOf(bench)).toEqual(["a", "b"]);
    expect(await rewritten()).toBe("-1");
  });

  test("and that a later start has joined to what was sent again is found by the next owner, and by an audit", async () => {
    const bench = await harness.bench({ rewriteAof: false });
    const again = await killedInACommit(bench);
    await again();
    await harness.server.restart("SIGKILL");
    expect(await inboxOf(bench)).toEqual(["a", "b", "b"]);
    const error = await eventually(() => bench.recover(joiner).catch((thrown: unknown) => thrown));
    expect(error).toBeInstanceOf(DecodeError);
    expect(String(error)).toContain("has 3 parcels where 2 wait");
    expect(await found(bench)).toContain("3 parcels are there, from 0 to 2 there should be 2");
  });

  test("and whose records were consumed twice at a later start is found too", async () => {
    const bench = await harness.bench({ rewriteAof: false });
    const sender = await bench.acquire(counter);
    await sender.commit({ parcels: [append(joiner, "a"), append(joiner, "b"), append(joiner, "c")] });
    const owner = await bench.acquire(joiner);
    const again = await killedIn(bench, owner.seal({ consumed: consumed(1, 0, 1, "a") }));
    await again();
    await harness.server.restart("SIGKILL");
    await expect(eventually(() => bench.inbox(joiner))).resolves.toEqual(["c"]);
    await expect(bench.recover(joiner)).rejects.toThrow("has 1 parcels where 2 wait");
    expect(await found(bench)).toContain("1 parcels are there, from 1 to 3 there should be 2");
  });
});

test("a server that was started without data is not asked to write its file anew", async () => {
  await harness.bench();
  expect(await rewritten()).toBe("-1");
});
