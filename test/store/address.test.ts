/** Addresses inside a shard: nothing a user chooses can forge the address of something else. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { heldHold, keyHold, parseStateField, parseTimerMember, stateField, timerAddressOf, type Tag, timerHold, timerMember } from "../../src/store/address.ts";

fc.configureGlobal({ seed: 1 });

/** Text made of what addresses are made of, and of anything. */
const text = fc.oneof(
  fc.array(fc.constantFrom("0", "1", "a", "z", ":", ";", "n", "s", "h", "k", "t", "w", "\u0000", "🔑"), { maxLength: 6 }).map((parts) => parts.join("")),
  fc.string({ unit: "grapheme", maxLength: 8 }),
);
const id = fc.integer({ min: 1, max: 50_000 });
const tag: fc.Arbitrary<Tag> = fc.oneof(
  fc.constant(undefined),
  text,
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
  fc.integer({ min: 0, max: 2 ** 53 - 1 }),
);

test("two state fields are equal exactly if cell, key and subkey are", () => {
  const part = fc.tuple(id, text, fc.option(text, { nil: undefined }));
  fc.assert(
    fc.property(part, part, (a, b) => {
      const same = a[0] === b[0] && a[1] === b[1] && a[2] === b[2];
      expect(stateField(...a) === stateField(...b)).toBe(same);
    }),
    { numRuns: 2_000 },
  );
});

test("a key cannot forge a subkey, nor a cell's number", () => {
  expect(stateField(1, "k", "s")).not.toBe(stateField(1, "ks"));
  expect(stateField(1, "1:k")).not.toBe(stateField(1, "k", ""));
  expect(new Set([stateField(1, ";1:k"), stateField(1, "k", ""), stateField(1, ":k"), stateField(36, "k"), stateField(1, "0:k")]).size).toBe(5);
});

test("a state field gives back cell, key and subkey; text that is none gives nothing", () => {
  fc.assert(
    fc.property(id, text, fc.option(text, { nil: undefined }), (cell, key, subkey) => {
      expect(parseStateField(stateField(cell, key, subkey))).toEqual({ cell, key, subkey });
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(text, (field) => {
      const address = parseStateField(field);
      if (address !== undefined) expect(stateField(address.cell, address.key, address.subkey)).toBe(field);
    }),
    { numRuns: 2_000 },
  );
  for (const none of ["", ":", "a", "A:k", "01:k", "-1:k", "1;k", "1;2:k", "1;01:k", "1;x:k"]) expect([none, parseStateField(none)]).toEqual([none, undefined]);
});

test("a timer's address is that of the very member that makes it, or none", () => {
  fc.assert(
    fc.property(id, tag, text, (timer, chosen, key) => {
      expect(timerAddressOf(timerMember(timer, chosen, key))).toEqual({ timer, tag: chosen, key });
    }),
  );
  for (const none of ["", "3", "3:", "3:9:n1k", "3:2:x1k", "zz", "A:0:k", "3:2:n-0k", "3:x:k"]) expect([none, timerAddressOf(none)]).toEqual([none, undefined]);
});

test("a timer's member gives back timer, tag and key", () => {
  fc.assert(
    fc.property(id, tag, text, (timer, chosen, key) => {
      expect(parseTimerMember(timerMember(timer, chosen, key))).toEqual({ timer, tag: chosen, key });
    }),
    { numRuns: 2_000 },
  );
});

test('tags that look alike are not: none, the empty text, 1 and "1", 0 and -0 excepted', () => {
  const members = [undefined, "", 0, "0", 1, "1", "n1", "s1", -1, 1.5, 1e21, "1e+21"].map((each) => timerMember(3, each, "k"));
  expect(new Set(members).size).toBe(members.length);
  expect(timerMember(3, -0, "k")).toBe(timerMember(3, 0, "k"));
});

test("two holds are equal exactly if they are of the same timer, key or held record", () => {
  const hold = fc.oneof(
    fc.tuple(fc.constant("watermark"), text).map(([kind, member]) => ({ kind, of: member, hold: timerHold("watermark", member) })),
    fc.tuple(fc.constant("wall"), text).map(([kind, member]) => ({ kind, of: member, hold: timerHold("wall", member) })),
    fc.tuple(fc.constant("key"), text).map(([kind, key]) => ({ kind, of: key, hold: keyHold(key) })),
    fc.tuple(fc.constant("held"), fc.nat()).map(([kind, held]) => ({ kind, of: String(held), hold: heldHold(held) })),
  );
  fc.assert(
    fc.property(hold, hold, (a, b) => {
      expect(a.hold === b.hold).toBe(a.kind === b.kind && a.of === b.of);
    }),
    { numRuns: 2_000 },
  );
});
