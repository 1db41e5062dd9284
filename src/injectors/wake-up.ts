/**
 * One reader's wait: it sleeps until any of several causes (an item, the signal, a pushed promise, the clock) wakes it.
 * One promise is made a wait, and none is kept that outlives it, so a quiet source costs no memory.
 */
export class WakeUp {
  #woken = false;
  #resolve: (() => void) | undefined;

  /** Ends the wait; before one, it ends the next at once. */
  readonly wake = (): void => {
    this.#woken = true;
    this.#resolve?.();
    this.#resolve = undefined;
  };

  /** Settles at the next `wake`, or at once if there was one since the last wait. */
  async wait(): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
      });
    }
    this.#woken = false;
  }
}
