/**
 * The decision tape: every choice of a simulation, its workload's included, is a cell of it. Nothing else in a
 * simulation is random, so a tape is a run: it can be replayed, cut, and kept as a regression.
 *
 * T1  A cell of 0 chooses the first of what there is: in order, without a fault. Beyond its end a tape is all 0, so
 *     whatever is cut off or set to 0 makes a run plainer.
 */
export class Tape {
  #cells: Uint32Array;
  #length: number;
  #next = 0;
  /** State of the generator; undefined: the tape is given, not drawn. */
  #state: number | undefined;

  private constructor(cells: Uint32Array, state: number | undefined) {
    this.#cells = cells;
    this.#length = state === undefined ? cells.length : 0;
    this.#state = state;
  }

  /** A tape without an end, drawn from a seed as it is read. */
  static seeded(seed: number): Tape {
    return new Tape(new Uint32Array(1_024), Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) >>> 0);
  }

  /** A tape that was read before. */
  static of(cells: Uint32Array): Tape {
    return new Tape(cells, undefined);
  }

  /** Which of `n` possibilities: 0 to n - 1. */
  choose(n: number): number {
    return this.#took(this.#cell() % n);
  }

  /** Does something with a probability of `perMille` happen? */
  chance(perMille: number): boolean {
    const cell = this.#cell();
    const happens = cell !== 0 && cell % 1_000 < perMille;
    this.#took(happens ? cell % 1_000 || 1_000 : 0);
    return happens;
  }

  /** One of the list; its first is the plain choice. */
  pick<T>(list: readonly T[]): T {
    return list[this.choose(list.length)] as T;
  }

  /** What has been read so far, each cell as the smallest that chooses the same: `of` makes the same run of it. */
  read(): Uint32Array {
    const read = this.#cells.slice(0, Math.min(this.#next, this.#cells.length));
    const last = read.findLastIndex((cell) => cell !== 0);
    return read.subarray(0, last + 1);
  }

  /** A cell is kept as the choice that was made of it. */
  #took(choice: number): number {
    if (this.#next <= this.#length) this.#cells[this.#next - 1] = choice;
    return choice;
  }

  #cell(): number {
    if (this.#next >= this.#length && this.#state !== undefined) this.#draw();
    const cell = this.#next < this.#length ? (this.#cells[this.#next] as number) : 0;
    this.#next++;
    return cell;
  }

  #draw(): void {
    if (this.#length === this.#cells.length) {
      const longer = new Uint32Array(2 * this.#length);
      longer.set(this.#cells);
      this.#cells = longer;
    }
    this.#state = ((this.#state as number) + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    this.#cells[this.#length++] = (mixed ^ (mixed >>> 15)) >>> 0;
  }
}
