/**
 * Short forms of the chaos scenarios (docs/chaos.md): the same faults on real processes, for seconds each. What they cost
 * depends on the machine and is not judged here; what they may never do is.
 */
import { describe, expect, test } from "vitest";
import { cluster } from "../../chaos/cluster.ts";
import { hotKey } from "../../chaos/hot-key.ts";
import { kill } from "../../chaos/kill.ts";
import { lostTail } from "../../chaos/lost-tail.ts";
import { oom } from "../../chaos/oom.ts";
import { partition } from "../../chaos/partition.ts";
import { redisRestart } from "../../chaos/redis-restart.ts";
import type { ChaosResult } from "../../chaos/scenario.ts";
import { zombie } from "../../chaos/zombie.ts";
import { sized } from "../support/size.ts";

/** ms for a run of seconds, on a machine that has other work. */
const LIMIT = 240_000;
/** ms in which no worker that holds shards may be without a commit; a machine that has other work adds to it. */
const STANDSTILL = 10_000;

function expectSafe({ chaos, lost, doubled, outOfOrder, violations, faults, records }: ChaosResult, least: number): void {
  expect({ chaos, lost, doubled, outOfOrder, violations }).toEqual({ chaos, lost: 0, doubled: 0, outOfOrder: 0, violations: 0 });
  expect(records).toBeGreaterThan(0);
  expect(faults).toBeGreaterThanOrEqual(least);
}

const minute = 60;
describe("nothing is lost, doubled or out of order", () => {
  test(
    "where one of four workers after the other is killed in the middle of a batch; the others go on",
    async () => {
      const result = await kill({ store: "redis", cycles: sized(2, 20), rate: 200 });
      expectSafe(result, 2);
      expect(result.details["longestPauseMs"]).toBeLessThan(STANDSTILL);
    },
    LIMIT,
  );

  test(
    "where the one worker on LMDB is killed again and again",
    async () => {
      expectSafe(await kill({ store: "lmdb", cycles: sized(1, 20), rate: 200 }), 1);
    },
    LIMIT,
  );

  test(
    "where workers stand still in front of a commit until others have done its work: each such commit is fenced, and not one byte changes",
    async () => {
      const cycles = sized(1, 20);
      const result = await zombie({ store: "redis", cycles });
      expectSafe(result, cycles);
      expect(result.details).toMatchObject({ sent: cycles, fenced: cycles, changed: 0 });
    },
    LIMIT,
  );

  test.each(sized(["everysec"] as const, ["always", "everysec"] as const))(
    "where Redis is killed and started again, its append-only file flushed %s",
    async (fsync) => {
      expectSafe(await redisRestart({ store: "redis", cycles: 1, fsync }), 1);
    },
    LIMIT,
  );

  test(
    "where a replica is promoted that lacks the last commits: each loss is found by the workers",
    async () => {
      const cycles = sized(1, 10);
      const result = await lostTail({ store: "redis", cycles, rate: 200 });
      expectSafe(result, cycles);
      expect(result.details).toMatchObject({ failovers: cycles, detected: cycles, collisions: 0 });
    },
    LIMIT,
  );

  test(
    "where slots of a cluster move, one of two workers is killed, and a node is replaced by a replica that lacks its last writes",
    async () => {
      const result = await cluster({ store: "redis", cycles: 1, rate: 200 });
      expectSafe(result, 3);
      expect(result.details).toMatchObject({ moved: 2, workers: 1, killed: 1, lostTails: 0, lostCommits: 0, lostEntries: 0 });
      expect(result.details["crossingShare"]).toBeGreaterThan(0.5);
    },
    LIMIT,
  );

  test(
    "where the way to Redis is slow, silent, or cut around commits and their replies; the others go on",
    async () => {
      const result = await partition({ store: "redis", cycles: sized(4, 20), rate: 200 });
      expectSafe(result, 3);
      expect(result.details["longestPauseMs"]).toBeLessThan(STANDSTILL);
    },
    LIMIT,
  );

  test(
    "where Redis has no memory left for a while",
    async () => {
      expectSafe(await oom({ store: "redis", cycles: 1, minutes: 2 / minute, rate: 500 }), 1);
    },
    LIMIT,
  );

  test(
    "where nine of ten records are of one key, and the handler of another key hangs",
    async () => {
      expectSafe(await hotKey({ store: "redis", minutes: 4 / minute, rate: 200 }), 2);
    },
    LIMIT,
  );
});
