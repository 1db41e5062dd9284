/** The rules of channel places: every row of the table, and their laws over whole histories. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { comparePlaces, isAppended, judgePlace, NOWHERE } from "../../src/dedup/place.ts";
import type { Place } from "../../src/store/commit.ts";

fc.configureGlobal({ seed: 1 });

const at = (monotonic: number, n: number): Place => ({ monotonic, n });

describe("judgePlace", () => {
  const rows: readonly (readonly [mark: Place | undefined, place: Place, previous: Place | undefined, outcome: string])[] = [
    // Nothing was taken yet.
    [undefined, at(7, 1), undefined, "delivered"],
    [undefined, at(7, 2), undefined, "behind"],
    [undefined, at(7, 1), at(5, 3), "behind"],
    [undefined, at(7, 2), at(5, 3), "behind"],
    // The sequencer of the mark.
    [at(7, 5), at(7, 4), undefined, "duplicate"],
    [at(7, 5), at(7, 5), undefined, "duplicate"],
    [at(7, 5), at(7, 6), undefined, "delivered"],
    [at(7, 5), at(7, 7), undefined, "behind"],
    [at(7, 5), at(7, 1), at(5, 3), "duplicate"],
    [at(7, 5), at(7, 6), at(9, 9), "delivered"],
    // An older sequencer.
    [at(7, 5), at(6, 1), undefined, "duplicate"],
    [at(7, 5), at(6, 6), undefined, "duplicate"],
    [at(7, 5), at(6, 999), at(7, 5), "duplicate"],
    // A newer sequencer: its first entry only, and it must know of all that was taken.
    [at(7, 5), at(8, 2), undefined, "behind"],
    [at(7, 5), at(8, 2), at(7, 4), "behind"],
    [at(7, 5), at(8, 1), at(7, 5), "delivered"],
    [at(7, 5), at(8, 1), at(7, 4), "after-loss"],
    [at(7, 5), at(8, 1), at(6, 9), "after-loss"],
    [at(7, 5), at(8, 1), undefined, "after-loss"],
    [at(7, 5), at(8, 1), at(7, 6), "behind"],
    [at(7, 5), at(9, 1), at(8, 1), "behind"],
    // The sender was told the mark, and has nothing between it and this.
    [at(7, 5), at(7, 9), at(7, 5), "after-loss"],
    [at(7, 5), at(8, 2), at(7, 5), "after-loss"],
    [undefined, at(7, 9), NOWHERE, "after-loss"],
    [undefined, at(7, 1), NOWHERE, "delivered"],
  ];
  for (const [mark, place, previous, outcome] of rows) {
    const name = (which: Place | undefined) => (which === undefined ? "none" : `${which.monotonic}/${which.n}`);
    test(`mark ${name(mark)}, entry ${name(place)} after ${name(previous)}: ${outcome}`, () => {
      expect(judgePlace(mark, place, previous)).toBe(outcome);
    });
  }
});

test("places are ordered by sequencer, then by n", () => {
  const sorted = [at(1, 1), at(1, 2), at(1, 10), at(2, 1), at(10, 1)];
  for (const [i, a] of sorted.entries()) for (const [j, b] of sorted.entries()) expect(Math.sign(comparePlaces(a, b))).toBe(Math.sign(i - j));
});

interface Entry {
  readonly place: Place;
  readonly previous: Place | undefined;
}

/** Entries of a channel over owners that lose nothing: how many under each sequencer. */
function history(lengths: readonly number[]): Entry[] {
  const entries: Entry[] = [];
  for (const [owner, length] of lengths.entries()) {
    const previous = entries.at(-1)?.place;
    for (let n = 1; n <= length; n++) entries.push({ place: at(owner + 1, n), previous: n === 1 ? previous : undefined });
  }
  return entries;
}

/** A receiver: what it took, in order. */
class Receiver {
  readonly taken: Place[] = [];
  mark: Place | undefined = undefined;

  offer({ place, previous }: Entry): string {
    const outcome = judgePlace(this.mark, place, previous);
    if (isAppended(outcome)) {
      this.taken.push(place);
      this.mark = place;
    }
    return outcome;
  }
}

const lengths = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 5 });

describe("a sender that loses nothing", () => {
  test("whatever is resent, doubled and delayed, each entry is taken once, in order, and none is lost", () => {
    fc.assert(
      fc.property(lengths, fc.array(fc.nat(), { maxLength: 60 }), (owners, deliveries) => {
        const sent = history(owners);
        const receiver = new Receiver();
        for (const pick of deliveries) {
          if (sent.length === 0) continue;
          const entry = sent[pick % sent.length]!;
          const outcome = receiver.offer(entry);
          expect(outcome).not.toBe("after-loss");
          if (outcome === "duplicate") expect(receiver.taken).toContain(entry.place);
        }
        expect(receiver.taken).toEqual(sent.map(({ place }) => place).slice(0, receiver.taken.length));
        // What is then sent once more, in order, completes it.
        for (const entry of sent) receiver.offer(entry);
        expect(receiver.taken).toEqual(sent.map(({ place }) => place));
      }),
    );
  });
});

describe("a sender that lost its tail", () => {
  test("its new entries are taken, and told to be after a loss, exactly if something was taken that it no longer knows of", () => {
    fc.assert(
      fc.property(lengths, fc.nat({ max: 10 }), fc.nat({ max: 10 }), (owners, delivered, kept) => {
        const sent = history(owners);
        const receiver = new Receiver();
        for (const entry of sent.slice(0, delivered)) receiver.offer(entry);
        const known = sent.slice(0, kept);
        for (const entry of known) receiver.offer(entry);
        const lost = receiver.taken.length > known.length;
        const next = { place: at(1_000, 1), previous: known.at(-1)?.place };
        expect(receiver.offer(next)).toBe(lost ? "after-loss" : "delivered");
        expect(receiver.offer(next)).toBe("duplicate");
        expect(receiver.offer({ place: at(1_000, 2), previous: undefined })).toBe("delivered");
        expect(new Set(receiver.taken).size).toBe(receiver.taken.length);
      }),
    );
  });
});
