/** The barrier that goes by what is stored: told by hand how far shards are. What it is worth under faults, the simulator finds. */
import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { Computation, type Context, fromIterable, input, MemoryStore, output, Pipeline, ascending, stream, type StreamRecord } from "../../src/index.ts";
import { type ShardRef, shardRef } from "../../src/key.ts";
import { systemRandom } from "../../src/random.ts";
import type { ShardProgress } from "../../src/store/store.ts";
import { encodeImage, newImage } from "../../src/worker/image.ts";
import type { PlannedInjector, PlannedParticipant } from "../../src/worker/plan.ts";
import { reconcile } from "../../src/worker/reconcile.ts";
import { StoredBarrier } from "../../src/worker/stored-barrier.ts";

const numbers = stream<number>("numbers");
const doubles = stream<number>("doubles");
class Double extends Computation {
  readonly numbers = input(numbers, { key: String });
  readonly doubles = output(doubles);
  override processRecord({ value }: StreamRecord<number>, context: Context): void {
    context.produce(this.doubles, 2 * value);
  }
}
class Last extends Computation {
  readonly doubles = input(doubles, { key: String });
  override processRecord(): void {}
}

async function planned(): Promise<readonly PlannedParticipant[]> {
  const store = await new MemoryStore().open({ pipeline: "chain", clock: systemClock, random: systemRandom });
  const source = fromIterable<number>(() => (async function* () {})(), { watermark: ascending() });
  const pipeline = new Pipeline("chain", { shards: 2 }).inject("in", numbers, source).compute("double", Double).compute("last", Last);
  return (await reconcile(store, pipeline.graph(), [])).participants;
}
const participants = await planned();
const [injector, double, last] = participants as [PlannedInjector, PlannedParticipant, PlannedParticipant];
const [IN, D0, D1, L0, L1] = [shardRef(injector.id, 0), shardRef(double.id, 0), shardRef(double.id, 1), shardRef(last.id, 0), shardRef(last.id, 1)];

const image = (nextHeld: number): Uint8Array => encodeImage({ ...newImage(), nextHeld });
const at = (shard: ShardRef, position: number, tail: number, held: number[] = [], outbox: string[] = [], nextHeld = 1): ShardProgress => ({
  shard,
  position,
  tail,
  image: image(nextHeld),
  held,
  outbox,
});
const told = (...all: ShardProgress[]): ReadonlyMap<ShardRef, ShardProgress> => new Map(all.map((each) => [each.shard, each]));
/** Past the injector, which has nothing to wait for. */
function begun(before: ShardProgress[] = []): StoredBarrier {
  const barrier = new StoredBarrier(participants, injector, 1, before);
  barrier.tell(told(at(IN, 0, 0)), 1);
  return barrier;
}

test("it asks for one stage after the other, in the order of the graph, and is passed after the last", () => {
  const barrier = new StoredBarrier(participants, injector, 1);
  expect(StoredBarrier.shards(participants, injector)).toEqual([IN, D0, D1, L0, L1]);
  expect(barrier.wants()).toEqual([IN]);
  expect(barrier.tell(told(at(IN, 0, 0)), 1)).toBe(true);
  expect(barrier.wants()).toEqual([D0, D1]);
  expect(barrier.tell(told(at(D0, 4, 5), at(D1, 7, 7)), 1)).toBe(false);
  expect(barrier.wants()).toEqual([D0]);
  // How far it has to come was fixed when it was first heard of; what comes later is not waited for.
  expect(barrier.tell(told(at(D0, 5, 9)), 1)).toBe(true);
  expect([barrier.wants(), barrier.state]).toEqual([[L0, L1], "waiting"]);
  barrier.tell(told(at(L0, 3, 3), at(L1, 0, 0)), 1);
  expect([barrier.wants(), barrier.state]).toEqual([[], "passed"]);
});

test("what was told of a stage before the one before it was through does not count", () => {
  const barrier = begun();
  barrier.tell(told(at(D0, 1, 1), at(D1, 1, 1), at(L0, 2, 2), at(L1, 2, 2)), 1);
  expect([barrier.wants(), barrier.state]).toEqual([[L0, L1], "waiting"]);
});

test("what stands aside when it is consumed is waited for, and what is set aside after that is not", () => {
  const barrier = begun();
  barrier.tell(told(at(D0, 5, 5, [3, 4]), at(D1, 0, 0)), 1);
  barrier.tell(told(at(D0, 6, 6, [4, 5])), 1);
  expect(barrier.wants()).toEqual([D0]);
  barrier.tell(told(at(D0, 6, 6, [5, 6])), 1);
  expect(barrier.wants()).toEqual([L0, L1]);
});

test("what is undelivered once nothing stands aside is waited for, as that may have come of it; what comes later is not", () => {
  const barrier = new StoredBarrier(participants, injector, 1);
  barrier.tell(told(at(IN, 0, 0, [], ["a"])), 1);
  expect(barrier.wants()).toEqual([IN]);
  barrier.tell(told(at(IN, 0, 0, [], ["b"])), 1);
  barrier.tell(told(at(D0, 5, 5, [3], ["a"]), at(D1, 0, 0)), 1);
  barrier.tell(told(at(D0, 5, 5, [], ["b"])), 1);
  expect(barrier.wants()).toEqual([D0]);
  barrier.tell(told(at(D0, 5, 5, [], ["c"])), 1);
  expect(barrier.wants()).toEqual([L0, L1]);
});

test("shards to which nothing has come since before, and what stood aside before, are not waited for; unless an earlier request counts", () => {
  const before = [at(IN, 0, 0), at(D0, 2, 4, [1], [], 2), at(D1, 1, 1, [], [], 1), at(L0, 0, 0), at(L1, 0, 0)];
  const barrier = begun(before);
  barrier.tell(told(at(D0, 3, 4, [1], [], 2), at(D1, 2, 2, [], [], 1)), 1);
  expect(barrier.wants()).toEqual([L0, L1]);
  const held = begun(before);
  held.tell(told(at(D0, 5, 5, [1, 2], [], 3), at(D1, 1, 1)), 1);
  expect(held.wants()).toEqual([D0]);
  held.tell(told(at(D0, 5, 5, [1], [], 3)), 1);
  expect(held.wants()).toEqual([L0, L1]);
  const earlier = begun(before);
  earlier.includeEarlier();
  earlier.tell(told(at(D0, 4, 4, [1], [], 2), at(D1, 1, 1)), 1);
  expect(earlier.wants()).toEqual([D0]);
});

test("where the store is another, or has lost what it had, it cannot tell", () => {
  const other = begun();
  other.tell(told(at(D0, 9, 9), at(D1, 9, 9)), 2);
  expect([other.state, other.wants()]).toEqual(["lost", []]);
  const shorter = begun();
  shorter.tell(told(at(D0, 3, 5), at(D1, 9, 9)), 1);
  shorter.tell(told(at(D0, 4, 4)), 1);
  expect(shorter.state).toBe("lost");
});
