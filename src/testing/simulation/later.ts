/**
 * What an asynchronous handler of a simulated pipeline returns in a promise's place: the rest of its work, which the
 * simulator runs when the tape says so. A real promise would settle by the event loop, which no tape decides.
 */
export class Later implements PromiseLike<void> {
  readonly #rest: () => Later | void;

  /** `rest`: what the handler does after it has waited; gives a `Later` where it waits again. */
  constructor(rest: () => Later | void) {
    this.#rest = rest;
  }

  /** Goes on. Gives what it waits for next, or undefined when it has ended; throws what the handler throws. */
  resume(): Later | void {
    return this.#rest();
  }

  /** Never called: only by being there does it tell the engine that the handler is asynchronous. */
  // oxlint-disable-next-line unicorn/no-thenable
  then(): never {
    throw new Error("a Later is resumed by the simulator, never awaited");
  }
}
