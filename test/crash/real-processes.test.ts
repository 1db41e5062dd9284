/** The crash points on real processes with real stores: a process strikes itself down at a place, another goes on. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { sized } from "../support/size.ts";
import { expectExact, killChildren, startStruck, type StruckProcess } from "../support/struck.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const LIMIT = 180_000;
/** All, in an order in which one process after the other comes to its own: K1 needs state, and K13 is at the end of everything. */
const PLACES = ["K0", "K2", "K3", "K4", "K5", "K6", "K7", "K8", "K9", "K10", "K1", "K11", "K12", "K13"];
/** Those that a process reaches by calls of its store and of its handlers: in a thorough run each is tried on its own, too. */
const ALONE = ["K0", "K1", "K2", "K4", "K5", "K11", "K12", "K13"];
/** Of these, those that a process may reach only once. */
const ONCE = ["K0", "K1", "K13"];
/** One for each test. */
const DATABASES = 32;
/** ms: many processes wait for one another's leases there. */
const SHORT_LEASE = 200;

const fresh = temporaryDirectory();
let server: RedisServer;
let used = 0;
beforeAll(async () => {
  server = await startRedis({ tcp: true, args: ["--databases", String(DATABASES)] });
});
afterAll(() => server.stop());
afterEach(killChildren);

const freshRedis = (): string => `${server.url}/${(used = (used + 1) % DATABASES)}`;
const freshStore = (kind: string): string => (kind === "lmdb" ? `lmdb:${fresh("struck")}` : freshRedis());

test.each(["lmdb", "redis"])(
  `on %s, processes that are killed one after the other at ${PLACES.join(", ")} change nothing`,
  async (kind) => {
    const store = freshStore(kind);
    for (const place of PLACES) {
      const { ended, at } = startStruck(store, { place, leaseMs: SHORT_LEASE });
      expect([place, await at(place)]).toEqual([place, true]);
      expect(await ended).not.toContain("finished");
    }
    expectExact(await startStruck(store).ended);
  },
  LIMIT,
);

test(
  `on redis, processes that stand still past their leases at ${PLACES.join(", ")} and go on when others have done everything change nothing`,
  async () => {
    const store = freshRedis();
    const zombies: StruckProcess[] = [];
    for (const place of PLACES) {
      const zombie = startStruck(store, { place, signal: "SIGSTOP", leaseMs: SHORT_LEASE });
      expect([place, await zombie.at(place)]).toEqual([place, true]);
      zombies.push(zombie);
    }
    expectExact(await startStruck(store).ended);
    for (const { child } of zombies) child.kill("SIGCONT");
    for (const { ended } of zombies) expectExact(await ended);
    expectExact(await startStruck(store).ended);
  },
  LIMIT,
);

// Each on its own, as the first that happens.
describe.each(sized([], ["lmdb", "redis"]))("on %s, a process that is killed at", (kind) => {
  test.each(ALONE)(
    "%s changes nothing",
    async (place) => {
      const store = freshStore(kind);
      let struck = 0;
      // Each goes on from where the one before was struck down; K1 is only reached where there is state already.
      for (const after of [0, 2]) {
        const { ended, child, at } = startStruck(store, { place, after });
        if (await at(place)) struck++;
        const said = await ended;
        if (child.signalCode === null) break;
        expect(said).not.toContain("finished");
      }
      expect(struck).toBeGreaterThan(0);
      expectExact(await startStruck(store).ended);
    },
    LIMIT,
  );
});

describe.each(sized([], ["redis"]))("on %s, a process that stands still past its leases while another takes over, and then goes on, at", () => {
  test.each(ALONE)(
    "%s changes nothing",
    async (place) => {
      const store = freshRedis();
      const zombie = startStruck(store, { place, signal: "SIGSTOP", after: ONCE.includes(place) ? 0 : 1 });
      expect(await zombie.at(place)).toBe(true);
      const successor = startStruck(store);
      expectExact(await successor.ended);
      zombie.child.kill("SIGCONT");
      expectExact(await zombie.ended);
      expectExact(await startStruck(store).ended);
    },
    LIMIT,
  );
});
