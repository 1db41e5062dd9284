/** One pipeline everywhere: every example, unchanged, gives the same results on every store and in the simulator. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { LmdbStore, MemoryStore, RedisStore, run, type Store } from "../../src/index.ts";
import { underFaults } from "../../src/testing/index.ts";
import { root } from "../repo/project-files.ts";
import { nameOf } from "../support/customer-service.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type ExampleRun, examples } from "./example-runs.ts";

const SCHEDULES = 8;
const path = temporaryDirectory();
let redis: RedisServer;

beforeAll(async () => void (redis = await startRedis()));
afterAll(async () => redis.stop());
beforeEach(() => {
  // The customer service: of no store's, and the simulator can repeat a run only if nothing in it waits for a socket.
  vi.stubGlobal("fetch", (url: string) => Promise.resolve({ ok: true, json: () => Promise.resolve({ name: nameOf(url.split("/").at(-1) ?? "") }) }));
});
afterEach(() => {
  vi.unstubAllGlobals();
  process.chdir(root);
});

/** What came out at each end, whatever the order between keys. */
function digestsOf(outputs: readonly (readonly [string, readonly string[]])[]): Record<string, string> {
  const digest = (lines: readonly string[]) =>
    createHash("sha256")
      .update([...lines].sort().join("\n"))
      .digest("hex");
  return Object.fromEntries(outputs.map(([file, lines]) => [file, `${lines.length} records, ${digest(lines)}`]));
}

/** In a directory of its own, as `millrace run` would: the examples name their files as they stand. */
async function onStore({ pipeline, inputs, outputs }: ExampleRun, store: Store): Promise<Record<string, string>> {
  const directory = path(pipeline.name);
  mkdirSync(directory);
  process.chdir(directory);
  for (const { file, values } of inputs) writeFileSync(file, `${values.map((value) => JSON.stringify(value)).join("\n")}\n`);
  const running = await run(pipeline, { store });
  await running.finished;
  await running.stop();
  return digestsOf(outputs.map(({ file }) => [file, readFileSync(join(directory, file), "utf8").split("\n").slice(0, -1)]));
}

async function simulated({ pipeline, inputs, outputs }: ExampleRun): Promise<readonly Record<string, string>[]> {
  const digests: Record<string, string>[] = [];
  await underFaults(pipeline, { schedules: SCHEDULES }, async (t) => {
    await Promise.all(
      inputs.flatMap(({ stream, values }) => values.map((value, i) => t.push(stream, value, { at: typeof value === "string" ? i : timeOf(value) }))),
    );
    await t.finish();
    digests.push(digestsOf(outputs.map(({ file, stream }) => [file, t.values(stream).map((value) => JSON.stringify(value))])));
  });
  return digests;
}

/** Each example's records say when they happened, by one name or another. */
function timeOf(value: object): number {
  const { at, placedAt, paidAt } = value as { readonly at?: number; readonly placedAt?: number; readonly paidAt?: number };
  return at ?? placedAt ?? paidAt ?? 0;
}

test("every numbered example is among those that run everywhere", () => {
  expect(examples.map(({ file }) => file)).toEqual(
    readdirSync(join(root, "examples"))
      .filter((file) => /^\d/.test(file))
      .sort(),
  );
});

test.each(examples)(
  "$file gives the same on MemoryStore, LmdbStore, RedisStore and under faults in the simulator",
  async (example) => {
    const inMemory = await onStore(example, new MemoryStore());
    // What was given has come to something, so that the comparison says something.
    expect(Object.values(inMemory).some((digest) => !digest.startsWith("0 records"))).toBe(true);
    expect({ lmdb: await onStore(example, new LmdbStore(path("lmdb"))) }).toEqual({ lmdb: inMemory });
    expect({ redis: await onStore(example, new RedisStore(redis.url)) }).toEqual({ redis: inMemory });
    expect(await simulated(example)).toEqual(Array.from({ length: SCHEDULES }, () => inMemory));
  },
  240_000,
);
