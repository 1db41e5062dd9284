/** What the log says of a store that does not answer: enough to know of it and of its end, not a line for every call. */

/** ms between two lines about calls that were not answered. */
const EVERY = 5_000;

export class Outage {
  /** When the first of the calls failed that nothing has been answered after. */
  #since: number | undefined = undefined;
  #said: number | undefined = undefined;
  /** Was anything said of this outage? */
  #known = false;

  /** A call was not answered: the line that says so, unless one was written shortly before. */
  missed(now: number, reason: string): string | undefined {
    this.#since ??= now;
    // A clock that was set back does not silence it.
    if (this.#said !== undefined && now >= this.#said && now - this.#said < EVERY) return undefined;
    this.#said = now;
    this.#known = true;
    return now - this.#since < EVERY ? `the store did not answer: ${reason}` : `the store has not answered for ${secondsText(now - this.#since)}: ${reason}`;
  }

  /** A call was answered: the line that says that the outage is over, if it was told of. */
  answered(now: number): string | undefined {
    if (this.#since === undefined) return undefined;
    const line = this.#known ? `the store answers again, after ${secondsText(now - this.#since)}` : undefined;
    this.#since = undefined;
    this.#known = false;
    return line;
  }
}

const secondsText = (ms: number): string => `${(Math.max(0, ms) / 1_000).toFixed(1)} s`;
