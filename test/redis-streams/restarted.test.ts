import { describe, expect, test } from "vitest";
import { LmdbStore, RedisStore, run, type Store } from "../../src/index.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { addNumbers, expectExact, KILLABLE, useStreams } from "./streams.ts";
import { tallyPipeline } from "./tally.ts";

/** Entries that are added between two restarts. */
const ADDED = 300;

const streams = useStreams(KILLABLE);
const path = temporaryDirectory();

describe.each(["lmdb", "redis"])("on %s, from two streams to one", (kind) => {
  test("a Redis that is killed and restarted again and again loses and doubles nothing", async () => {
    const [to, ...from] = [streams.fresh(), streams.fresh(), streams.fresh()] as const;
    const said: string[] = [];
    const store: Store = kind === "lmdb" ? new LmdbStore(path("store")) : new RedisStore(streams.server.url, { prefix: "restarted" });
    await addNumbers(streams.admin, from, 0, ADDED);
    const running = await run(tallyPipeline(streams.server.url, from, to), {
      store,
      batchRecords: 8,
      leaseMs: 1_000,
      log: (level, text) => void said.push(`${Date.now()} ${level}: ${text}`),
    });
    let stopped: unknown;
    running.finished.catch((error: unknown) => (stopped = error));
    for (let round = 1; round <= 3; round++) {
      await expect.poll(() => streams.admin.xlen(to), { interval: 1 }).toBeGreaterThan((round - 1) * ADDED + 10);
      said.push(`${Date.now()} killed`);
      await streams.server.restart("SIGKILL");
      await addNumbers(streams.admin, from, round * ADDED, ADDED);
    }
    await expectExact(() => streams.entries(to), 4 * ADDED).catch((error: unknown) => {
      throw new Error(`after ${said.join("\n")}`, { cause: error });
    });
    expect(stopped).toBeUndefined();
    await running.stop();
  });
});
