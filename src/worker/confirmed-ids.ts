/**
 * Ids of the records that a shard has confirmed to the outside lately, by the commits that hold them: what has to be named
 * if the store loses those commits. Bounded: the oldest go first.
 */

/** Ids kept of one shard. */
const CONFIRMED_IDS = 65_536;

interface Confirmed {
  /** Of the commit. */
  readonly number: number;
  readonly ids: readonly string[];
}

export class ConfirmedIds {
  #batches: Confirmed[] = [];
  #first = 0;
  #size = 0;

  /** `number` is larger than those before it. */
  add(number: number, ids: readonly string[]): void {
    if (ids.length === 0) return;
    this.#batches.push({ number, ids });
    this.#size += ids.length;
    while (this.#size > CONFIRMED_IDS && this.#first < this.#batches.length - 1) this.#size -= (this.#batches[this.#first++] as Confirmed).ids.length;
    if (2 * this.#first > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Those that commits after `number` hold, as far as they are known still, the oldest first. */
  after(number: number): string[] {
    return this.#batches.slice(this.#first).flatMap((batch) => (batch.number > number ? batch.ids : []));
  }
}
