/** The crash points on real processes with real stores: a process strikes itself down at a place, another goes on. */
import { type ChildProcess, spawn } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { built } from "../support/built.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const CHILD = built("test/support/struck-process.ts");
const LIMIT = 180_000;
/** Those that a process reaches by calls of its store and of its handlers; the simulation has the others. */
const PLACES = ["K0", "K1", "K2", "K4", "K5", "K11", "K12", "K13"];
/** Of these, those that a process may reach only once. */
const ONCE = ["K0", "K1", "K13"];

const fresh = temporaryDirectory();
let server: RedisServer;
let used = 0;
beforeAll(async () => {
  server = await startRedis({ tcp: true });
});
afterAll(() => server.stop());

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});

interface Process {
  readonly child: ChildProcess;
  /** Everything it has said, once it has ended. */
  readonly ended: Promise<string>;
  /** Resolves when it has said that it is at this place, or when it has ended. */
  at(place: string): Promise<boolean>;
}

function start(store: string, place = "-", signal = "SIGKILL", after = 0): Process {
  const child = spawn(process.execPath, [CHILD, store, place, signal, String(after)], { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let said = "";
  let errors = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const ended = new Promise<string>((resolve, reject) => {
    child.once("close", () => {
      children.delete(child);
      const complaint = errors.replaceAll(/.*(ExperimentalWarning|--trace-warnings).*\n/g, "");
      if (complaint === "") resolve(said);
      else reject(new Error(`the process says: ${complaint}`));
    });
  });
  const at = async (here: string): Promise<boolean> => {
    await expect.poll(() => said.includes(`${here}\n`) || child.exitCode !== null || child.signalCode !== null, { timeout: 60_000 }).toBe(true);
    return said.includes(`${here}\n`);
  };
  return { child, ended, at };
}

/** Of 60 numbers, each key has every fifth; each record is late, or has set a timer that has fired. */
function expectExact(said: string): void {
  // K13 lies between the two.
  const [, line = ""] = /(\[.*\])\n(?:K13\n)?finished\n$/.exec(said) ?? [];
  const counted = JSON.parse(line === "" ? "[]" : line) as { sum: number; records: number; late: number; fired: number }[];
  expect(counted.map(({ sum, records }) => [sum, records])).toEqual([0, 1, 2, 3, 4].map((first) => [12 * first + 5 * 66, 12]));
  expect(counted.map(({ late, fired }) => late + fired)).toEqual([12, 12, 12, 12, 12]);
}

describe.each(["lmdb", "redis"])("on %s, a process that is killed at", (kind) => {
  const storeOf = (): string => (kind === "lmdb" ? `lmdb:${fresh("struck")}` : `${server.url}/${(used = (used + 1) % 16)}`);

  test.each(PLACES)(
    "%s changes nothing",
    async (place) => {
      const store = storeOf();
      let struck = 0;
      // Each goes on from where the one before was struck down; K1 is only reached where there is state already.
      for (const after of [0, 2, 0]) {
        const { ended, child, at } = start(store, place, "SIGKILL", after);
        if (await at(place)) struck++;
        const said = await ended;
        if (child.signalCode === null) break;
        expect(said).not.toContain("finished");
      }
      expect(struck).toBeGreaterThan(0);
      expectExact(await start(store).ended);
    },
    LIMIT,
  );
});

describe("on redis, a process that stands still past its leases while another takes over, and then goes on, at", () => {
  test.each(PLACES)(
    "%s changes nothing",
    async (place) => {
      const store = `${server.url}/${(used = (used + 1) % 16)}`;
      const zombie = start(store, place, "SIGSTOP", ONCE.includes(place) ? 0 : 1);
      expect(await zombie.at(place)).toBe(true);
      const successor = start(store);
      expectExact(await successor.ended);
      zombie.child.kill("SIGCONT");
      expectExact(await zombie.ended);
      expectExact(await start(store).ended);
    },
    LIMIT,
  );
});
