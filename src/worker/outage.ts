/**
 * What is said of a store that does not answer, or answers some calls alone, as one that is read-only does: in the log enough
 * to know of it and of its end, not a line for every call; to whoever asks, whether it lasts.
 */

/** ms between two lines about calls that were not answered. */
const EVERY = 5_000;
/** ms that it lasts before it is more than a hiccup, and after a call that was not answered before all is well again. */
const LASTING = 1_000;

export class Outage {
  /** When the first of the calls failed that nothing has been answered after. */
  #since: number | undefined = undefined;
  #said: number | undefined = undefined;
  /** Was anything said of this outage? */
  #known = false;

  /** The last call that was not answered, and the first of those after which there was never quiet for LASTING. */
  #missed: { readonly from: number; readonly at: number; readonly reason: string } | undefined = undefined;

  /** Why the store cannot be worked with; undefined: it can, as far as is known. */
  lasting(now: number): string | undefined {
    if (this.#missed === undefined || !this.#goesOn(now) || now - this.#missed.from < LASTING) return undefined;
    const { from, reason } = this.#missed;
    return `the store has not answered ${this.#since === undefined ? "some calls" : "any call"} for ${secondsText(now - from)}: ${reason}`;
  }

  #goesOn(now: number): boolean {
    return this.#since !== undefined || (this.#missed !== undefined && now - this.#missed.at < LASTING);
  }

  /** A call was not answered: the line that says so, unless one was written shortly before. */
  missed(now: number, reason: string): string | undefined {
    this.#missed = { from: this.#missed !== undefined && this.#goesOn(now) ? this.#missed.from : now, at: now, reason };
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
