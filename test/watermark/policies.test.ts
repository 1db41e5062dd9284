import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError, InvalidUseError } from "../../src/errors.ts";
import { BEGINNING, END, LAST_TIMER } from "../../src/time.ts";
import { ascending } from "../../src/watermark/ascending.ts";
import { boundedDisorder } from "../../src/watermark/bounded-disorder.ts";
import { byHand, isByHand } from "../../src/watermark/by-hand.ts";
import { learnedDisorder } from "../../src/watermark/learned-disorder.ts";
import { trailingClock } from "../../src/watermark/trailing-clock.ts";
import type { WatermarkEstimator, WatermarkPolicy } from "../../src/watermark/policy.ts";

const policies: Record<string, () => WatermarkPolicy> = {
  ascending: () => ascending(),
  boundedDisorder: () => boundedDisorder(50),
  learnedDisorder: () => learnedDisorder({ late: 0.2, window: 50 }),
  byHand: () => byHand(),
};

/** What an estimator lives through: observed timestamps, and promises of the source as negative numbers. */
const life = fc.array(fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: -2_000, max: -1 })), { maxLength: 300 });
function live(estimator: WatermarkEstimator, event: number): void {
  if (event < 0) estimator.promise(-event);
  else estimator.observe(event);
}
function livedThrough(policy: WatermarkPolicy, events: readonly number[]): WatermarkEstimator {
  const estimator = policy.start(undefined);
  for (const event of events) live(estimator, event);
  return estimator;
}

describe.each(Object.entries(policies))("%s", (_, make) => {
  test("knows nothing at first", () => {
    expect(make().start(undefined).current()).toBe(BEGINNING);
  });

  test("never falls and is always an integer", () => {
    fc.assert(
      fc.property(life, (events) => {
        const estimator = make().start(undefined);
        let before = estimator.current();
        for (const event of events) {
          live(estimator, event);
          expect(estimator.current()).toBeGreaterThanOrEqual(before);
          before = estimator.current();
          expect(Number.isSafeInteger(before)).toBe(true);
        }
      }),
    );
  });

  test("a restart from what was saved promises neither more nor less, then and ever after", () => {
    fc.assert(
      fc.property(life, life, (before, after) => {
        const first = livedThrough(make(), before);
        const second = make().start(structuredClone(first.save()));
        expect(second.current()).toBe(first.current());
        for (const event of after) {
          for (const estimator of [first, second]) live(estimator, event);
          expect(second.current()).toBe(first.current());
        }
        expect(second.save()).toEqual(first.save());
      }),
    );
  });

  test("what another policy saved is taken over without falling back", () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(policies)), life, (other, events) => {
        const before = livedThrough(other(), events);
        expect(make().start(before.save()).current()).toBeGreaterThanOrEqual(before.current());
      }),
    );
  });

  test("saved data that no estimator wrote counts as nothing known", () => {
    for (const saved of [null, 7, "x", {}, { largest: Number.NaN, watermark: -5 }, { largest: "1", watermark: 1.5 }]) {
      expect(make().start(saved).current()).toBe(BEGINNING);
    }
  });

  test("two estimators of one policy share nothing", () => {
    const policy = make();
    const touched = livedThrough(
      policy,
      Array.from({ length: 200 }, (_unused, i) => 1_000 + i),
    );
    touched.promise(1_500);
    expect(policy.start(undefined).current()).toBe(BEGINNING);
  });
});

describe("ascending", () => {
  test("is the largest timestamp: t - 1 is late, t and t + 1 are not", () => {
    const estimator = livedThrough(ascending(), [100, 300, 200]);
    expect(estimator.current()).toBe(300);
    expect([299, 300, 301].map((timestamp) => timestamp < estimator.current())).toEqual([true, false, false]);
  });

  test("ignores what the source promises", () => {
    const estimator = livedThrough(ascending(), [100]);
    estimator.promise(500);
    expect(estimator.current()).toBe(100);
  });
});

describe("boundedDisorder", () => {
  test("trails the largest timestamp by its bound: a record exactly that far behind is on time", () => {
    const estimator = livedThrough(boundedDisorder(50), [1_000, 990]);
    expect([949, 950, 951].map((timestamp) => timestamp < estimator.current())).toEqual([true, false, false]);
  });

  test("promises nothing while event time is younger than the bound", () => {
    expect(livedThrough(boundedDisorder(50), [48]).current()).toBe(BEGINNING);
    expect(livedThrough(boundedDisorder(50), [49]).current()).toBe(BEGINNING);
    expect(livedThrough(boundedDisorder(50), [50]).current()).toBe(0);
  });

  test("a restart with a wider bound keeps the old promise, with a narrower one it promises more", () => {
    const saved = livedThrough(boundedDisorder(50), [1_000]).save();
    const wider = boundedDisorder(500).start(saved);
    expect(wider.current()).toBe(950);
    wider.observe(1_449);
    expect(wider.current()).toBe(950);
    wider.observe(1_451);
    expect(wider.current()).toBe(951);
    expect(boundedDisorder(10).start(saved).current()).toBe(990);
  });

  test("a bound that is no duration is refused", () => {
    for (const disorder of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, "5" as unknown as number]) {
      expect(() => boundedDisorder(disorder)).toThrow(ConfigError);
    }
  });
});

describe("byHand", () => {
  test("moves by promises alone", () => {
    const estimator = livedThrough(byHand(), [5_000, -100, 6_000, -50]);
    expect(estimator.current()).toBe(100);
  });

  test("a promise that is no time is refused", () => {
    const estimator = byHand().start(undefined);
    for (const promise of [Number.NaN, 1.5, -2, Number.POSITIVE_INFINITY]) expect(() => estimator.promise(promise)).toThrow(InvalidUseError);
    estimator.promise(END);
    expect(estimator.current()).toBe(END);
  });

  test("a pushed promise waits until a reader takes it, once, and only the largest counts", () => {
    const policy = byHand();
    const estimator = policy.start(undefined);
    expect(policy.takePending()).toBeUndefined();
    policy.advanceWatermark(100);
    policy.advanceWatermark(300);
    policy.advanceWatermark(200);
    expect(estimator.current()).toBe(BEGINNING);
    expect(policy.takePending()).toBe(300);
    expect(policy.takePending()).toBeUndefined();
  });

  test("a push that is no time is refused and leaves nothing pending", () => {
    const policy = byHand();
    expect(() => policy.advanceWatermark(Number.NaN)).toThrow(InvalidUseError);
    expect(() => policy.advanceWatermark(1.5)).toThrow(/integer ms/);
    expect(policy.takePending()).toBeUndefined();
  });

  test("a push wakes the open reader, and no longer once that is closed", () => {
    const policy = byHand();
    let woken = 0;
    const closed = policy.opened(() => woken++);
    policy.advanceWatermark(1);
    expect(woken).toBe(1);
    closed();
    policy.advanceWatermark(2);
    expect(woken).toBe(1);
  });

  test("a reader that is closed after its successor was opened takes nothing from that one", () => {
    const policy = byHand();
    let woken = 0;
    const closed = policy.opened(() => {});
    policy.opened(() => woken++);
    closed();
    policy.advanceWatermark(1);
    expect(woken).toBe(1);
  });

  test("a promise from before the first reader stays; one made for an earlier reader is dropped with it", () => {
    const policy = byHand();
    policy.advanceWatermark(100);
    policy.opened(() => {});
    expect(policy.takePending()).toBe(100);
    policy.advanceWatermark(200);
    policy.opened(() => {});
    expect(policy.takePending()).toBeUndefined();
  });

  test("is known by its shape", () => {
    expect(isByHand(byHand())).toBe(true);
    expect(isByHand({ ...byHand() })).toBe(true);
    expect(isByHand(ascending())).toBe(false);
  });
});

test("idleAfter is carried as given and refused if it is no duration", () => {
  for (const make of [ascending, byHand, learnedDisorder, (options: { idleAfter?: number }) => boundedDisorder(5, options)]) {
    expect(make({}).idleAfter).toBeUndefined();
    expect(make({ idleAfter: 60_000 }).idleAfter).toBe(60_000);
    for (const idleAfter of [0, -1, 0.5, Number.NaN]) expect(() => make({ idleAfter })).toThrow(ConfigError);
  }
});

test("descriptions name the policy and its number", () => {
  expect([ascending(), boundedDisorder(5_000), learnedDisorder({ late: 0.07 }), byHand()].map((policy) => policy.description)).toEqual([
    "ascending",
    "bounded disorder 5000 ms",
    "learned disorder, 7% late",
    "by hand",
  ]);
});

test("the last possible timestamp overflows nothing", () => {
  for (const make of Object.values(policies)) {
    const estimator = livedThrough(
      make(),
      Array.from({ length: 100 }, () => LAST_TIMER),
    );
    expect(estimator.current()).toBeLessThanOrEqual(LAST_TIMER);
    expect(make().start(estimator.save()).current()).toBe(estimator.current());
  }
});

describe("trailingClock", () => {
  test("is the clock less the delay, whatever comes, and never falls", () => {
    fc.assert(
      fc.property(
        fc.nat(10_000),
        fc.array(fc.oneof(fc.record({ now: fc.nat(1e6) }), fc.record({ seen: fc.nat(1e6) })), { maxLength: 100 }),
        (delay, events) => {
          const estimator = trailingClock(delay).start(undefined);
          let latest = BEGINNING;
          for (const event of events) {
            if ("now" in event) {
              estimator.tell?.(event.now);
              latest = Math.max(latest, event.now - delay);
            } else estimator.observe(event.seen);
            expect(estimator.current()).toBe(latest);
          }
          expect(trailingClock(delay).start(estimator.save()).current()).toBe(latest);
        },
      ),
    );
  });

  test.each([-1, 0.5, Number.NaN])("a delay of %s is a ConfigError", (delay) => {
    expect(() => trailingClock(delay)).toThrow(ConfigError);
  });
});
