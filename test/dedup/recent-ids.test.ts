import fc from "fast-check";
import { expect, test } from "vitest";
import { RecentIds } from "../../src/dedup/recent-ids.ts";

const ids = fc.array(fc.string({ maxLength: 3 }), { maxLength: 50 });

test("an id that was added is known; another one is unknown, or new where all that were ever taken are here", () => {
  fc.assert(
    fc.property(ids, ids, fc.boolean(), (added, asked, complete) => {
      const recent = new RecentIds(complete);
      for (const id of added) recent.add(id);
      for (const id of [...added, ...asked]) expect(recent.has(id)).toBe(added.includes(id) ? true : complete ? false : undefined);
    }),
    { seed: 1 },
  );
});

test("of very many the latest are known, and of others only the store can tell", () => {
  const recent = new RecentIds(true);
  for (let n = 0; n <= 200_001; n++) recent.add(`id ${n}`);
  expect([recent.has("id 200001"), recent.has("id 100002"), recent.has("id 0"), recent.has("never")]).toEqual([true, true, undefined, undefined]);
});

test("a million ids go through in the time that their number takes", () => {
  const recent = new RecentIds(true);
  const startedAt = performance.now();
  for (let n = 0; n < 1_000_000; n++) recent.add(`id ${n}`);
  // It took minutes where each looked for the oldest.
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});
