/** A call of the Store contract as data, its answer in a form that can be compared, and both as text. */
import type { PipelineStore } from "../../src/store/store.ts";

/** What of the contract can be called and answers. */
export type Method = {
  [Name in keyof PipelineStore]: PipelineStore[Name] extends (...args: never[]) => Promise<unknown> ? Name : never;
}[keyof PipelineStore];

/** A call with its arguments, the same ones for every store: `of` ties the two together. */
export interface Call {
  readonly method: Method;
  readonly args: readonly unknown[];
}

export function call<Name extends Method>(method: Name, ...args: Parameters<PipelineStore[Name]>): Call {
  return { method, args };
}

/** A call that threw. */
class Thrown {
  /** The class of the error. */
  readonly error: string;
  readonly message: string;

  constructor(error: unknown) {
    this.error = error instanceof Error ? error.constructor.name : typeof error;
    this.message = error instanceof Error ? error.message : String(error);
  }
}

/** Makes the call. What it throws is an answer too. */
export async function answerOf(store: PipelineStore, { method, args }: Call): Promise<unknown> {
  try {
    const called = store[method] as (...given: unknown[]) => Promise<unknown>;
    return await called.apply(store, [...args]);
  } catch (error) {
    return new Thrown(error);
  }
}

/**
 * Are two answers the same? Bytes of any class are alike, a property that is undefined is none, errors are the same if
 * their classes are; `tails` have no order.
 */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Number.isNaN(a) && Number.isNaN(b);
  if (a instanceof Uint8Array || b instanceof Uint8Array) return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((part, i) => isSame(part, b[i]));
  }
  if (a instanceof Thrown || b instanceof Thrown) return a instanceof Thrown && b instanceof Thrown && a.error === b.error;
  return hasAllOf(a, b) && hasAllOf(b, a);
}

function hasAllOf(a: object, b: object): boolean {
  for (const [name, part] of Object.entries(a)) {
    const other = (b as Record<string, unknown>)[name];
    if (!(name === "tails" ? isSame(inOrder(part), inOrder(other)) : isSame(part, other))) return false;
  }
  return true;
}

const inOrder = (tails: unknown): unknown => (Array.isArray(tails) ? tails.toSorted((x: { shard: number }, y: { shard: number }) => x.shard - y.shard) : tails);

/** Letters of bytes that are shown. */
const SHOWN = 40;

/** For people: one line, long bytes cut, what is empty left out. */
export function textOf(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (isBuffer(part)) return shortened(Buffer.from(part.data).toString("latin1"));
    if (part instanceof Uint8Array) return shortened(Buffer.from(part.buffer, part.byteOffset, part.length).toString("latin1"));
    if (typeof part === "string") return shortened(part);
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).filter(([, each]) => !(Array.isArray(each) && each.length === 0)));
  });
}

const shortened = (text: string): string => (text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}... (${text.length})`);

/** `JSON.stringify` has turned a Buffer into this before it asks. */
function isBuffer(part: unknown): part is { readonly data: readonly number[] } {
  return typeof part === "object" && part !== null && "type" in part && part.type === "Buffer" && "data" in part;
}
