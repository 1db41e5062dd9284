/** The holds of records in the order of an inbox, and the smallest of them. Pure; each operation is O(1), amortised. */
export class HoldQueue {
  /** Positions and holds of the records that are smaller than all after them: rising from the front. */
  #positions: number[] = [];
  #holds: number[] = [];
  #front = 0;
  #next = 0;
  #taken = 0;

  get size(): number {
    return this.#next - this.#taken;
  }

  /** The smallest hold; Infinity if there is none. */
  get smallest(): number {
    return this.#holds[this.#front] ?? Number.POSITIVE_INFINITY;
  }

  push(hold: number): void {
    while (this.#holds.length > this.#front && (this.#holds.at(-1) as number) > hold) {
      this.#holds.pop();
      this.#positions.pop();
    }
    this.#holds.push(hold);
    this.#positions.push(this.#next++);
  }

  /** Takes the oldest one out. */
  shift(): void {
    if (this.#positions[this.#front] === this.#taken) this.#front++;
    this.#taken++;
    if (this.#front > 1_024 && 2 * this.#front > this.#holds.length) {
      this.#positions = this.#positions.slice(this.#front);
      this.#holds = this.#holds.slice(this.#front);
      this.#front = 0;
    }
  }
}
