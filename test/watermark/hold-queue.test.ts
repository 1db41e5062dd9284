import fc from "fast-check";
import { expect, test } from "vitest";
import { HoldQueue } from "../../src/watermark/hold-queue.ts";
import { Prng } from "../support/prng.ts";

test("an empty queue holds nothing", () => {
  const queue = new HoldQueue();
  expect([queue.size, queue.smallest]).toEqual([0, Number.POSITIVE_INFINITY]);
  queue.push(5);
  queue.shift();
  expect([queue.size, queue.smallest]).toEqual([0, Number.POSITIVE_INFINITY]);
});

test("equal holds hold until the last of them is taken", () => {
  const queue = new HoldQueue();
  for (const hold of [3, 3, 3]) queue.push(hold);
  queue.shift();
  queue.shift();
  expect(queue.smallest).toBe(3);
  queue.shift();
  expect(queue.smallest).toBe(Number.POSITIVE_INFINITY);
});

test.each([1, 2, 3])("the smallest is the smallest, however records come and go (seed %i)", (seed) => {
  const prng = new Prng(seed);
  const queue = new HoldQueue();
  const model: number[] = [];
  for (let step = 0; step < 20_000; step++) {
    if (model.length > 0 && prng.next() < 0.49) {
      queue.shift();
      model.shift();
    } else {
      const hold = step + prng.below(100);
      queue.push(hold);
      model.push(hold);
    }
    if (step % 17 === 0) expect(queue.smallest).toBe(Math.min(...model));
  }
});

test("the oldest of a hundred thousand rising holds is taken without a look at the others", () => {
  const queue = new HoldQueue();
  for (let i = 0; i < 100_000; i++) queue.push(i);
  for (let i = 0; i < 100_000; i++) {
    if (queue.smallest !== i) expect(queue.smallest).toBe(i);
    queue.shift();
  }
  expect(queue.size).toBe(0);
});

test("whatever was pushed and taken, it holds the smallest of what is left", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer({ min: -1, max: 20 }), { freq: 3 }), { maxLength: 200 }), (steps) => {
      const queue = new HoldQueue();
      const model: number[] = [];
      for (const hold of steps) {
        if (hold !== null) {
          queue.push(hold);
          model.push(hold);
        } else if (model.length > 0) {
          queue.shift();
          model.shift();
        }
        expect([queue.size, queue.smallest]).toEqual([model.length, Math.min(Number.POSITIVE_INFINITY, ...model)]);
      }
    }),
    { seed: 1 },
  );
});
