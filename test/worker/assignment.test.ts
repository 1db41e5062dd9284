/** The assignment of shards to workers, for any graph and any workers. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { shardRef } from "../../src/key.ts";
import { assign } from "../../src/worker/assignment.ts";

interface Participant {
  readonly id: number;
  readonly shards: number;
}

const workersOf = (most: number) => fc.uniqueArray(fc.string({ minLength: 1, maxLength: 21 }), { minLength: 1, maxLength: most });
const sizes = fc.array(fc.oneof(fc.constant(1), fc.constant(64), fc.integer({ min: 1, max: 130 })), { minLength: 1, maxLength: 8 });
const graph = sizes.map((all) => all.map((shards, i): Participant => ({ id: 3 * i + 1, shards })));

function countsOf(assigned: ReadonlyMap<number, string>, workers: readonly string[], participants: readonly Participant[]): number[] {
  const counts = new Map(workers.map((worker) => [worker, 0]));
  for (const { id, shards } of participants) {
    for (let index = 0; index < shards; index++) {
      const worker = assigned.get(shardRef(id, index)) ?? "";
      counts.set(worker, (counts.get(worker) ?? 0) + 1);
    }
  }
  return [...counts.values()];
}
const spread = (counts: readonly number[]): number => Math.max(...counts) - Math.min(...counts);

describe("for any workers and any graph", () => {
  test("every shard, and nothing else, is assigned to one of the workers (A1)", () => {
    fc.assert(
      fc.property(workersOf(9), graph, (workers, participants) => {
        const assigned = assign(workers, participants);
        expect(assigned.size).toBe(participants.reduce((sum, { shards }) => sum + shards, 0));
        const owners = new Set(assigned.values());
        expect(countsOf(assigned, workers, participants)).toHaveLength(workers.length);
        for (const owner of owners) expect(workers).toContain(owner);
      }),
    );
  });

  test("the order in which workers are named makes no difference (A1)", () => {
    fc.assert(
      fc.property(workersOf(7), graph, fc.nat(), (workers, participants, by) => {
        const turned = [...workers.slice(by % workers.length), ...workers.slice(0, by % workers.length)].toReversed();
        const owners = assign(workers, participants);
        for (const [shard, worker] of assign(turned, participants)) expect(owners.get(shard)).toBe(worker);
      }),
    );
  });

  test("no two workers differ by more than one shard, of any participant and of all together (A2)", () => {
    fc.assert(
      fc.property(workersOf(12), graph, (workers, participants) => {
        const assigned = assign(workers, participants);
        for (const participant of participants) expect(spread(countsOf(assigned, workers, [participant]))).toBeLessThanOrEqual(1);
        expect(spread(countsOf(assigned, workers, participants))).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("injectors and sinks of one shard are spread over the workers (A2)", () => {
    const edges = [1, 2, 3, 4].map((id) => ({ id, shards: 1 }));
    fc.assert(
      fc.property(workersOf(6), (workers) => {
        expect(new Set(assign(workers, edges).values()).size).toBe(Math.min(workers.length, 4));
      }),
    );
  });
});

test("when a worker joins or leaves, a tenth of the shards at most, in the mean, moves beyond those that it takes or leaves (A3)", () => {
  const participants = [1, 64, 64, 1].map((shards, id) => ({ id, shards }));
  const all = 130;
  const beyond: number[] = [];
  for (let count = 1; count <= 12; count++) {
    for (let round = 0; round < 20; round++) {
      const workers = Array.from({ length: count + 1 }, (_, i) => `worker-${round}-${count}-${i}`);
      const [joiner = "", ...before] = workers;
      const small = assign(before, participants);
      const large = assign(workers, participants);
      let moved = 0;
      let share = 0;
      for (const [shard, worker] of large) {
        if (worker === joiner) share++;
        else if (small.get(shard) !== worker) moved++;
      }
      expect(share).toBeLessThanOrEqual(Math.ceil(all / (count + 1)) + 1);
      beyond.push(moved / all);
    }
  }
  console.log(
    `moved beyond the joiner's share: ${((100 * beyond.reduce((a, b) => a + b)) / beyond.length).toFixed(1)} % in the mean, ${(100 * Math.max(...beyond)).toFixed(1)} % at most`,
  );
  expect(beyond.reduce((a, b) => a + b) / beyond.length).toBeLessThanOrEqual(0.1);
  expect(Math.max(...beyond)).toBeLessThanOrEqual(0.2);
});
