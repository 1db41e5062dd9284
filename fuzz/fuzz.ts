/**
 * Feeds a target with inputs and tells what it did that it may not. A crash is
 *
 *   - an error that is none of `src/errors.ts` and none that the target promises,
 *   - an input that takes longer than the target's patience, each time it is read,
 *   - memory that grows by far more than the input is long,
 *   - a change to `Object.prototype` or to another prototype that everything has.
 */
import { getHeapStatistics } from "node:v8";
import { MillraceError } from "../src/errors.ts";
import { Mutation } from "./mutation.ts";
import type { Target } from "./target.ts";

export interface Crash {
  readonly why: string;
  readonly input: Uint8Array;
}

export interface FuzzResult {
  readonly target: string;
  readonly inputs: number;
  /** Of which so many were refused with a typed error. */
  readonly refused: number;
  readonly crashes: number;
  /** The first ones, each reason once. */
  readonly found: readonly Crash[];
  readonly slowestMs: number;
  readonly seconds: number;
}

const PATIENCE = 50;
/** Bytes that one input may cost. */
const MEMORY = 64 << 20;
/** An input that took more ms than this is read again, up to so many times: a busy machine is not slow each time. */
const SUSPECT = 5;
const AGAIN = 8;
const FOUND = 5;

const shared = [Object.prototype, Array.prototype, Function.prototype, Map.prototype, Uint8Array.prototype];
const shapes = shared.map((prototype) => Reflect.ownKeys(prototype).length);

export async function fuzz(target: Target, inputs: number, seed: number): Promise<FuzzResult> {
  const mutation = new Mutation(seed, target.corpus, target.words);
  const { atOnce = 1 } = target;
  const reasons = new Set<string>();
  const found: Crash[] = [];
  let crashes = 0;
  let refused = 0;
  let slowestMs = 0;
  const began = performance.now();
  const look = (input: Uint8Array, seen: Seen): void => {
    slowestMs = Math.max(slowestMs, seen.ms);
    if (seen.refused) refused += 1;
    if (seen.why === undefined) return;
    crashes += 1;
    const reason = seen.why.replaceAll(/\d+/g, "#");
    if (found.length < FOUND && !reasons.has(reason)) found.push({ why: seen.why, input });
    reasons.add(reason);
  };
  for (let done = 0; done < inputs; done += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, inputs - done) }, () => mutation.next());
    if (atOnce === 1) {
      const seen = readOnce(target, some[0]!);
      look(some[0]!, seen instanceof Promise ? await seen : seen);
      if (done % 10_000 === 9_999) await new Promise((resolve) => void setImmediate(resolve));
    } else {
      const all = await Promise.all(some.map(async (input) => readOnce(target, input)));
      all.forEach((seen, i) => look(some[i]!, seen));
    }
  }
  const seconds = (performance.now() - began) / 1_000;
  return { target: target.name, inputs, refused, crashes, found, slowestMs: round(slowestMs, 2), seconds: round(seconds, 1) };
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

/** What came of one input. */
interface Seen {
  readonly refused: boolean;
  readonly why: string | undefined;
  readonly ms: number;
}

/** A promise only where the target gives one: most targets read millions of inputs. */
function readOnce(target: Target, input: Uint8Array): Seen | Promise<Seen> {
  const before = memory();
  const began = performance.now();
  let thrown: unknown;
  try {
    const result = target.read(input);
    if (result instanceof Promise) return readLater(target, input, result, began);
  } catch (error) {
    thrown = error;
  }
  let fastest = performance.now() - began;
  const grown = memory() - before;
  for (let again = 0; fastest > SUSPECT && again < AGAIN; again++) fastest = Math.min(fastest, timeOf(target, input));
  const large = grown > MEMORY ? `takes ${grown >> 20} MiB of memory for ${input.length} bytes` : undefined;
  return seenOf(target, thrown, fastest, large);
}

/** As above. Memory is not measured: meanwhile, others use it too. */
async function readLater(target: Target, input: Uint8Array, result: Promise<unknown>, began: number): Promise<Seen> {
  let thrown: unknown;
  try {
    await result;
  } catch (error) {
    thrown = error;
  }
  let fastest = performance.now() - began;
  const suspect = target.atOnce === undefined ? SUSPECT : patienceOf(target);
  for (let again = 0; fastest > suspect && again < AGAIN; again++) fastest = Math.min(fastest, await timeOfLater(target, input));
  return seenOf(target, thrown, fastest, undefined);
}

function seenOf(target: Target, thrown: unknown, ms: number, large: string | undefined): Seen {
  const slow = ms > patienceOf(target) ? `takes ${ms.toFixed(0)} ms each time` : undefined;
  return { refused: thrown !== undefined, why: reasonOf(target, thrown) ?? changedPrototype() ?? large ?? slow, ms };
}

const patienceOf = ({ patience = PATIENCE }: Target): number => patience;

function timeOf(target: Target, input: Uint8Array): number {
  const began = performance.now();
  try {
    void target.read(input);
  } catch {
    // It has been judged already.
  }
  return performance.now() - began;
}

async function timeOfLater(target: Target, input: Uint8Array): Promise<number> {
  const began = performance.now();
  try {
    await target.read(input);
  } catch {
    // It has been judged already.
  }
  return performance.now() - began;
}

/** Why what was thrown may not be thrown. */
function reasonOf({ throws = [] }: Target, thrown: unknown): string | undefined {
  if (thrown === undefined || thrown instanceof MillraceError || throws.some((known) => thrown instanceof known)) return undefined;
  return thrown instanceof Error ? `threw ${thrown.constructor.name}: ${thrown.message}` : `threw ${typeof thrown}`;
}

function memory(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

function changedPrototype(): string | undefined {
  const at = shared.findIndex((prototype, i) => Reflect.ownKeys(prototype).length !== shapes[i]);
  return at < 0 ? undefined : `changed the prototype of ${["objects", "arrays", "functions", "maps", "bytes"][at]}`;
}
