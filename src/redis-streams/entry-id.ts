/** Ids of entries, "<ms>-<sequence>", both of 64 bits: their form, their order, and the time in them. Pure. */

/** Before the first entry that a stream can have. */
export const NO_ENTRY = "0-0";

/** "1700000000000" is "1700000000000-0". Undefined: not an id. */
export function entryIdOf(given: unknown): string | undefined {
  const [, ms = "", sequence = "0"] = (typeof given === "string" && /^(\d{1,20})(?:-(\d{1,20}))?$/.exec(given)) || [];
  if (ms === "" || BigInt(ms) >= 1n << 64n || BigInt(sequence) >= 1n << 64n) return undefined;
  return `${BigInt(ms)}-${BigInt(sequence)}`;
}

/** Below 0: `a` comes before `b`. Both are ids. */
export function compareIds(a: string, b: string): number {
  const [ms = "", sequence = ""] = a.split("-");
  const [other = "", others = ""] = b.split("-");
  return compareDigits(ms, other) || compareDigits(sequence, others);
}

/** When Redis added the entry, by its clock, ms since the epoch; a producer may have given another id. */
export function timeOf(id: string): number {
  return Number(id.slice(0, id.indexOf("-")));
}

/** Larger than a double holds, so by their digits. */
function compareDigits(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a === b ? 0 : a < b ? -1 : 1;
}
