/** Processes that are killed while they sweep away what was dropped, on real stores: the next one goes on, and the data is sound in between. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LmdbStore, RedisStore } from "../../src/index.ts";
import { audit } from "../../src/inspect/index.ts";
import { built } from "../support/built.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const LIMIT = 120_000;
const CHILD = built("test/support/sweeping-process.ts");
const fresh = temporaryDirectory();
let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** What became of the process: what it said, or the signal that it ended by. */
async function ran(...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return signal ?? `${code}: ${said.trim()}`;
}

test.each(["lmdb", "redis"])(
  "on %s, a process that is killed in the middle of a sweep leaves the rest of it to the next, and all entries agree",
  async (kind) => {
    const url = kind === "lmdb" ? `lmdb:${fresh("sweep")}` : server.url;
    const store = () => (kind === "lmdb" ? new LmdbStore(url.slice(5)) : new RedisStore(url));
    const entries = async (): Promise<number> => {
      const report = await audit(store(), { pipeline: "dropping" });
      expect(report.invariants.filter(({ violations }) => violations > 0)).toEqual([]);
      return report.entries.state + report.entries.watermark + report.entries.wall;
    };
    expect(await ran(url, "fill")).toBe("0: done");
    const before = await entries();
    expect(await ran(url, "sweep", "0", "before")).toBe("SIGKILL");
    expect(await entries()).toBe(before);
    expect(await ran(url, "sweep", "3", "behind")).toBe("SIGKILL");
    const between = await entries();
    expect(between).toBeLessThan(before);
    // The one before it may be of the other shard and on its way; those before that are stored.
    expect(await ran(url, "sweep", "4", "before")).toBe("SIGKILL");
    expect(await entries()).toBeLessThan(between);
    expect(await ran(url, "sweep")).toBe("0: done");
    expect(await entries()).toBe(before / 3);
    expect((await audit(store(), { pipeline: "dropping" })).notes).toEqual([]);
  },
  LIMIT,
);
