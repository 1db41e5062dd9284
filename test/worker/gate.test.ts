import fc from "fast-check";
import { expect, test } from "vitest";
import { Gate } from "../../src/worker/gate.ts";

test("no more than `concurrency` are inside, and no more than `max` begin within any `per` ms", () => {
  const limits = fc.record({ concurrency: fc.integer({ min: 1, max: 5 }), max: fc.integer({ min: 1, max: 6 }), per: fc.integer({ min: 1, max: 50 }) });
  fc.assert(
    fc.property(limits, fc.array(fc.record({ wait: fc.nat(20), leaves: fc.boolean() }), { maxLength: 200 }), ({ concurrency, max, per }, steps) => {
      const gate = new Gate({ concurrency, rateLimit: { max, per } });
      const begun: number[] = [];
      let inside = 0;
      let now = 1_000;
      for (const { wait, leaves } of steps) {
        now += wait;
        if (leaves && inside > 0) {
          inside -= 1;
          gate.leave();
        }
        if (gate.opensAt() > now) continue;
        gate.enter(now);
        inside += 1;
        begun.push(now);
        expect(inside).toBeLessThanOrEqual(concurrency);
        expect(begun.filter((at) => at > now - per).length).toBeLessThanOrEqual(max);
      }
    }),
  );
});

test("whoever waits is called once, when a call has ended", () => {
  const gate = new Gate({ concurrency: 1, rateLimit: undefined });
  let woken = 0;
  gate.enter(0);
  expect(gate.opensAt()).toBe(Number.POSITIVE_INFINITY);
  gate.wait(() => (woken += 1));
  gate.leave();
  gate.enter(1);
  gate.leave();
  expect(woken).toBe(1);
  expect(gate.opensAt()).toBe(0);
});
