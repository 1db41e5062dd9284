/**
 * Which of all that can happen happens next, and when what goes wrong. A run has one strategy, drawn from its tape: what
 * one hardly ever reaches, another reaches soon.
 */
import type { Tape } from "./tape.ts";

export type StrategyName =
  /** Everything that can happen is equally likely. */
  | "walk"
  /** What has the highest priority happens first, and priorities change a few times a run: finds what needs few but exact preemptions. */
  | "priorities"
  /** A walk in which what goes wrong hits workers that have a commit under way. */
  | "adversary";

/** Steps of a run within which priorities change. */
const CHANGES_WITHIN = 250;
const MOST_CHANGES = 4;

export interface Strategy {
  readonly name: StrategyName;
  /** Chooses one of `count` things; `actor` names who does the i-th, the same for as long as it lives. */
  choose(count: number, actor: (index: number) => number): number;
}

export function drawStrategy(tape: Tape): Strategy {
  const name = tape.pick<StrategyName>(["walk", "walk", "priorities", "adversary"]);
  return name === "priorities" ? new Priorities(tape) : { name, choose: (count) => tape.choose(count) };
}

/** Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010). */
class Priorities implements Strategy {
  readonly name = "priorities";
  readonly #tape: Tape;
  readonly #priorities = new Map<number, number>();
  readonly #changes: ReadonlySet<number>;
  #steps = 0;
  #lowest = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
    this.#changes = new Set(Array.from({ length: 1 + tape.choose(MOST_CHANGES) }, () => tape.choose(CHANGES_WITHIN)));
  }

  choose(count: number, actor: (index: number) => number): number {
    let chosen = 0;
    let highest = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < count; index++) {
      const priority = this.#priorityOf(actor(index));
      if (priority <= highest) continue;
      highest = priority;
      chosen = index;
    }
    if (this.#changes.has(this.#steps++)) this.#priorities.set(actor(chosen), --this.#lowest);
    return chosen;
  }

  #priorityOf(actor: number): number {
    let known = this.#priorities.get(actor);
    if (known === undefined) this.#priorities.set(actor, (known = this.#tape.choose(1_000)));
    return known;
  }
}
