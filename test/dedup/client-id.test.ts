import { expect, test } from "vitest";
import { refusalOfId } from "../../src/dedup/client-id.ts";

test("an id is a non-empty string of at most 256 bytes that comes back from UTF-8 as it was", () => {
  for (const id of ["a", "0", " ", "é".repeat(128), "😀".repeat(64), "\uffff"]) expect(refusalOfId(id)).toBeUndefined();
  for (const id of ["", 7, undefined, null, {}, "é".repeat(129), "\ud83d", "a\ude00b"]) expect(refusalOfId(id)).toMatch(/^its id /);
});
