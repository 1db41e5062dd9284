/** What an audit has found so far: how often each invariant was looked at, and the first violations of each. */
import { INVARIANTS, type InvariantId } from "./invariants.ts";

/** Violations of one invariant that are told one by one; the others are counted. */
const TOLD = 20;

export interface Where {
  readonly participant?: string | undefined;
  readonly shard?: number | undefined;
  /** The user's key. */
  readonly key?: string | undefined;
}

export interface Violation extends Where {
  readonly found: string;
}

/** One invariant and what came of it. */
export interface Checked {
  readonly invariant: InvariantId;
  readonly claim: string;
  readonly meaning: string;
  readonly remedy: string;
  readonly checked: number;
  readonly violations: number;
  /** The first of them. */
  readonly examples: readonly Violation[];
}

interface Tally {
  checked: number;
  violations: number;
  readonly examples: Violation[];
}

export class Findings {
  readonly #tallies = new Map<InvariantId, Tally>();
  /** What is no violation, but worth knowing: counted. */
  readonly #notes = new Map<string, number>();

  constructor() {
    for (const id of Object.keys(INVARIANTS) as InvariantId[]) this.#tallies.set(id, { checked: 0, violations: 0, examples: [] });
  }

  checked(id: InvariantId, times = 1): void {
    this.#of(id).checked += times;
  }

  violated(id: InvariantId, where: Where, found: string): void {
    const tally = this.#of(id);
    tally.violations += 1;
    if (tally.examples.length < TOLD) tally.examples.push({ ...where, found });
  }

  /** Both: checks, and tells what was found if it does not hold. */
  expect(id: InvariantId, holds: boolean, where: Where, found: () => string): void {
    this.checked(id);
    if (!holds) this.violated(id, where, found());
  }

  /** `text` has "#" where the count goes. */
  note(text: string, count = 1): void {
    if (count > 0) this.#notes.set(text, (this.#notes.get(text) ?? 0) + count);
  }

  get checks(): Checked[] {
    return [...this.#tallies].map(([invariant, tally]) => ({ invariant, ...INVARIANTS[invariant], ...tally }));
  }
  get notes(): string[] {
    return [...this.#notes].map(([text, count]) => text.replace("#", count.toLocaleString("en-US")));
  }

  #of(id: InvariantId): Tally {
    return this.#tallies.get(id) as Tally;
  }
}
