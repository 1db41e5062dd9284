/**
 * Promises of user code that were rejected and that nothing waited for, as this worker was told of them: how many, of which
 * computation as far as that is known, and the last. What they were to do may not be done, which no commit knows of.
 */

export interface Rejection {
  /** By name; undefined: not known. */
  readonly computation: string | undefined;
  /** Of the call that made the promise; undefined: not known. */
  readonly key: string | undefined;
  /** What it was rejected with. */
  readonly reason: string;
  /** ms since the epoch, by the worker's clock. */
  readonly at: number;
}

export class Rejections {
  /** Someone tells of all that there are (`rejection-watch.ts`). */
  watched = false;
  readonly #byComputation = new Map<string, number>();
  #count = 0;
  #last: Rejection | undefined = undefined;

  add(rejection: Rejection): void {
    const { computation } = rejection;
    this.#count++;
    this.#last = rejection;
    if (computation !== undefined) this.#byComputation.set(computation, this.of(computation) + 1);
  }

  get count(): number {
    return this.#count;
  }
  /** May there be others, of which no one tells? Where no one listens, the process ends of the first. */
  get complete(): boolean {
    return this.watched || process.listenerCount("unhandledRejection") === 0;
  }
  get last(): Rejection | undefined {
    return this.#last;
  }
  /** Of one computation. */
  of(computation: string): number {
    return this.#byComputation.get(computation) ?? 0;
  }
  /** Of which no computation is known. */
  get unattributed(): number {
    let unattributed = this.#count;
    for (const count of this.#byComputation.values()) unattributed -= count;
    return unattributed;
  }
}
