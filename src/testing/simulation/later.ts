/**
 * What an asynchronous handler of a simulated pipeline returns in a promise's place: the rest of its work, which the
 * simulator runs when the tape says so. A real promise would settle by the event loop, which no tape decides.
 */
export class Later<T = void> implements PromiseLike<T> {
  readonly #rest: () => Later<T> | T;

  /** `rest`: what the handler does after it has waited; gives a `Later` where it waits again. */
  constructor(rest: () => Later<T> | T) {
    this.#rest = rest;
  }

  /** Goes on. Gives what it waits for next, or what it comes to when it has ended; throws what the handler throws. */
  resume(): Later<T> | T {
    return this.#rest();
  }

  /** What follows from it, as with a promise; but run by whoever resumes it, at once after it has ended. */
  // oxlint-disable-next-line unicorn/no-thenable
  then<A = T, B = never>(ended?: ((value: T) => A | PromiseLike<A>) | null, failed?: ((error: unknown) => B | PromiseLike<B>) | null): Later<A | B> {
    const goOn = (rest: () => Later<T> | T): Later<A | B> | A | B => {
      let value: Later<T> | T;
      try {
        value = rest();
      } catch (error) {
        if (!failed) throw error;
        return failed(error) as B;
      }
      if (value instanceof Later) {
        const next: Later<T> = value;
        return new Later(() => goOn(() => next.resume()));
      }
      return (ended ? ended(value) : value) as A;
    };
    return new Later(() => goOn(this.#rest));
  }
}
