/**
 * What all handles share: streams, inputs, outputs, state cells, timers and pipelines are plain objects that carry a
 * brand. It does not own what any of them holds.
 *
 * H1  A handle is known by its brand and `kind`, never by `instanceof`: two copies of this library may be loaded (one
 *     by the command line, one by the user's file) and must know each other's handles.
 * H2  Handles that are declared are frozen: what the graph was built from cannot change under it.
 */

/** Marks every handle; the registry of symbols is shared by all copies of the library. */
export const HANDLE: unique symbol = Symbol.for("millrace.handle") as never;

/** In types alone: what a handle carries, and with which variance. */
export declare const carries: unique symbol;
declare const why: unique symbol;

/** Stands in a type error in place of the right type: the sentence says what to do. */
export interface Wrong<Why extends string> {
  readonly [why]: Why;
}

export type HandleKind = "stream" | "input" | "output" | "state" | "timer" | "timers" | "pipeline";

/** Is `value` a handle of this kind, of this or another copy of the library? */
export function isHandle(value: unknown, kind: HandleKind): boolean {
  return kindOf(value) === kind;
}

/** Kind of a handle; undefined for everything else. */
export function kindOf(value: unknown): HandleKind | undefined {
  if (typeof value !== "object" || value === null || !(HANDLE in value)) return undefined;
  return (value as unknown as { readonly kind: HandleKind }).kind;
}
