/**
 * The versions of the code that `rolling` upgrades through, each with another form of what is stored: a version reads all
 * forms before its own (upcast), and none after. What the sums are is the pipeline's.
 */
import { cbor, type Codec } from "../src/index.ts";

export interface Sum {
  readonly count: number;
  readonly sum: number;
}
interface Form {
  readonly write: (sum: Sum) => unknown;
  readonly read: (stored: unknown) => Sum;
}

/** By version. */
const FORMS: readonly Form[] = [
  { write: ({ count, sum }) => ({ count, sum }), read: (stored) => stored as Sum },
  { write: ({ count, sum }) => [count, sum], read: (stored) => pair(stored as readonly number[]) },
  { write: ({ count, sum }) => `${count} ${sum}`, read: (stored) => pair((stored as string).split(" ").map(Number)) },
  { write: ({ count, sum }) => new Map([[count, sum]]), read: (stored) => pair([...(stored as Map<number, number>)][0] ?? []) },
];

/** As the code of a version stores sums. */
export function sums(version: number): Codec<Sum> {
  const plain = cbor<unknown>();
  const form = (of: number): Form => FORMS[of] as Form;
  return {
    id: "sum",
    version,
    encode: (sum) => plain.encode(form(version).write(sum)),
    decode: (bytes, of) => form(of).read(plain.decode(bytes, 0)),
  };
}

const pair = ([count = 0, sum = 0]: readonly number[]): Sum => ({ count, sum });
