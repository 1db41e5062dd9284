/** An injector with `maxSkew` stays close to the slowest other one, and nobody waits for ever (R15). */
import { expect, test } from "vitest";
import {
  ascending,
  boundedDisorder,
  byHand,
  Computation,
  type Context,
  input,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  trailingClock,
} from "../../src/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";
import { Feed } from "./feed.ts";
import { Rig } from "./rig.ts";

const left = stream<number>("left");
const right = stream<number>("right");

class Count extends Computation {
  readonly left = input(left, { key: () => "all" });
  readonly right = input(right, { key: () => "all" });
  readonly count = state("count", { initial: 0 });
  override processRecord(_record: StreamRecord<number>, context: Context) {
    context.state(this.count).update((count) => count + 1);
  }
}

const MAX = 1_000;
const two = (a: Feed<number>, b: Feed<number>, ofB?: number) =>
  new Pipeline("skewed", { shards: 1 })
    .inject("left", left, a.injector, { maxSkew: MAX })
    .inject("right", right, b.injector, { maxSkew: ofB })
    .compute("count", Count);
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test("an injector that is further ahead than its maxSkew waits at that very record, and goes on when the slowest has moved", async () => {
  const [a, b] = [new Feed<number>({ watermark: ascending() }), new Feed<number>({ watermark: ascending() })];
  const rig = await Rig.start(two(a, b));
  b.push(0, 5_000);
  await rig.rest();
  a.pushAll(numbers(100), (i) => 4_000 + i * 100);
  await rig.rest();
  // The record that takes it over the bound is its last: 6,100 is more than 1,000 ahead of 5,000.
  expect(rig.watermark("left").output).toBe(6_100);
  expect(rig.counters("left").processed).toBe(22);
  expect(rig.heldBy("left")).toBe("skew");
  b.push(1, 7_000);
  await rig.rest();
  expect(rig.watermark("left").output).toBe(8_100);
  b.end();
  await rig.rest();
  expect(rig.counters("left").processed).toBe(100);
  await rig.kill();
});

test("nothing more is read from the source than what fits ahead", async () => {
  const [a, b] = [new Feed<number>({ watermark: ascending() }), new Feed<number>({ watermark: ascending() })];
  const rig = await Rig.start(two(a, b));
  a.most = 10;
  a.pushAll(numbers(1_000), (i) => 10_000 + i);
  await rig.rest();
  expect(a.given).toBeLessThanOrEqual(20);
  expect(rig.counters("left").processed).toBe(1);
  b.push(0, 9_500);
  await rig.rest();
  expect(rig.watermark("left").output).toBe(10_501);
  await rig.kill();
});

test("the one that is furthest behind never waits, also where its records are far ahead of its own watermark", async () => {
  const disorder = 5 * MAX;
  const [a, b] = [new Feed<number>({ watermark: boundedDisorder(disorder) }), new Feed<number>({ watermark: byHand() })];
  const rig = await Rig.start(two(a, b, MAX));
  b.promise(1_000_000);
  a.pushAll(numbers(200), (i) => i * 100);
  await rig.rest();
  expect(rig.counters("left").processed).toBe(200);
  expect(rig.watermark("left").output).toBe(19_900 - disorder);
  expect(rig.heldBy("right")).toBe("skew");
  await rig.kill();
});

test("one that is idle or finished is not waited for; when it is back, it is again", async () => {
  const [a, b] = [new Feed<number>({ watermark: ascending() }), new Feed<number>({ watermark: ascending({ idleAfter: 500 }) })];
  const rig = await Rig.start(two(a, b));
  a.pushAll([1, 2, 3], (i) => i * 100_000);
  await rig.rest();
  expect(rig.counters("left").processed).toBe(1);
  await rig.advance(600);
  expect(rig.counters("left").processed).toBe(3);
  b.push(0, 100);
  await rig.rest();
  a.push(4, 400_000);
  await rig.rest();
  expect(rig.counters("left").processed).toBe(3);
  b.end();
  await rig.rest();
  expect(rig.counters("left").processed).toBe(4);
  await rig.kill();
});

test("of two that go by the clock, the one that trails it by less is read all the same", async () => {
  const [a, b] = [new Feed<number>({ watermark: trailingClock(100) }), new Feed<number>({ watermark: trailingClock(5 * MAX) })];
  const rig = await Rig.start(two(a, b));
  for (let n = 0; n < 5; n++) {
    await rig.advance(2_000);
    a.push(n, rig.clock.now());
    b.push(n, rig.clock.now());
  }
  await rig.advance(20_000);
  expect(["left", "right"].map((name) => rig.counters(name).processed)).toEqual([5, 5]);
  expect(rig.counters("count").late).toBe(0);
  await rig.kill();
});

test("a policy that goes by the clock stands while its injector waits, so what is in the source does not become late", async () => {
  const [a, b] = [new Feed<number>({ watermark: trailingClock(100) }), new Feed<number>({ watermark: ascending() })];
  const rig = await Rig.start(two(a, b));
  b.push(0, rig.clock.now());
  await rig.advance(2_000);
  const stands = rig.watermark("left").output;
  expect(stands).toBeLessThanOrEqual(1_000_000 + MAX + 250);
  const at = rig.clock.now();
  a.push(1, at).push(2, at + 1);
  await rig.advance(10_000);
  expect(rig.watermark("left").output).toBe(stands);
  b.push(1, rig.clock.now());
  await rig.advance(500);
  expect(rig.counters("left").processed).toBe(2);
  expect(rig.counters("count").late).toBe(0);
  await rig.kill();
});

test("a takeover does not let an injector run ahead", async () => {
  const [a, b] = [new Feed<number>({ watermark: ascending() }), new Feed<number>({ watermark: ascending() })];
  const rig = await Rig.start(two(a, b));
  b.push(0, 5_000);
  a.pushAll(numbers(100), (i) => 5_000 + i * 100);
  await rig.rest();
  const before = rig.watermark("left").output;
  await rig.crash();
  await rig.advance(5_000);
  expect(rig.watermark("left").output).toBe(before);
  await rig.kill();
});

test("a test of a pipeline shows it: what is pushed far ahead is not there before the other has come along", async () => {
  const source = () => new Feed<number>().injector;
  const pipeline = new Pipeline("skewed").inject("left", left, source(), { maxSkew: MAX }).inject("right", right, source()).compute("count", Count);
  const t = await PipelineTester.start(pipeline);
  await t.advanceWatermark(10_000, { of: left });
  await t.push(left, 1, { at: 10_000 });
  expect(t.values(left)).toEqual([]);
  await t.advanceWatermark(9_000);
  expect(t.values(left)).toEqual([1]);
});

test.each([[0], [1.5], [-1], ["1 h"], [Number.POSITIVE_INFINITY]])("a maxSkew of %s is refused with the injector's name", (maxSkew) => {
  const pipeline = new Pipeline("skewed");
  expect(() => pipeline.inject("left", left, new Feed<number>().injector, { maxSkew: maxSkew as number })).toThrow(/injector "left".*maxSkew, ms/);
});
