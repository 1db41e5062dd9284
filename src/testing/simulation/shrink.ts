/**
 * Makes the tape of a violation plainer while it still breaks the same rule: cuts it off, takes parts out, sets cells to
 * 0 or to less. A cell of 0 is "in order, no fault", so what is left is what it takes.
 */
import { Tape } from "./tape.ts";
import type { Violation } from "./violation.ts";

export interface Shrunk {
  readonly cells: Uint32Array;
  /** Runs that it took. */
  readonly runs: number;
}

type Run = (tape: Tape) => Promise<{ readonly violation: Violation | undefined }>;

/** Runs that it may take. */
const MOST_RUNS = 1_500;

export async function shrink(cells: Uint32Array, rule: string, run: Run, mostRuns = MOST_RUNS): Promise<Shrunk> {
  const shrinking = new Shrinking(cells, rule, run, mostRuns);
  await shrinking.run();
  return { cells: shrinking.best, runs: shrinking.runs };
}

class Shrinking {
  best: Uint32Array;
  runs = 0;
  readonly #rule: string;
  readonly #run: Run;
  readonly #most: number;

  constructor(cells: Uint32Array, rule: string, run: Run, most: number) {
    this.best = cells;
    this.#rule = rule;
    this.#run = run;
    this.#most = most;
  }

  async run(): Promise<void> {
    for (let before = -1; before !== this.#weight() && this.runs < this.#most; ) {
      before = this.#weight();
      await this.#cutOff();
      await this.#passes((at, size) => this.#without(at, size));
      await this.#passes((at, size) => this.#zeroed(at, size));
      await this.#halve();
    }
  }

  /** Cells that are not 0, and how many there are at all. */
  #weight(): number {
    return this.best.length + this.best.reduce((sum, cell) => sum + (cell === 0 ? 0 : 1 + Math.log2(cell)), 0);
  }

  /** Is the same rule still broken? Then this is the tape from now on. */
  async #try(cells: Uint32Array): Promise<boolean> {
    if (this.runs >= this.#most) return false;
    this.runs++;
    const tape = Tape.of(cells);
    const { violation } = await this.#run(tape);
    if (violation?.rule !== this.#rule) return false;
    const read = tape.read();
    this.best = read.length <= cells.length ? read : cells;
    return true;
  }

  async #cutOff(): Promise<void> {
    for (let low = 0; low < this.best.length; ) {
      const keep = (low + this.best.length) >> 1;
      if (!(await this.#try(this.best.slice(0, keep)))) low = keep + 1;
    }
  }

  /** Parts of a half, a quarter, and so on, down to one cell. */
  async #passes(changed: (at: number, size: number) => Uint32Array | undefined): Promise<void> {
    for (let size = this.best.length >> 1; size >= 1; size >>= 1) {
      for (let at = 0; at < this.best.length && this.runs < this.#most; ) {
        const cells = changed(at, size);
        if (cells === undefined || !(await this.#try(cells))) at += size;
      }
    }
  }

  #without(at: number, size: number): Uint32Array {
    const rest = this.best.subarray(at + size);
    const cells = new Uint32Array(at + rest.length);
    cells.set(this.best.subarray(0, at));
    cells.set(rest, at);
    return cells;
  }

  #zeroed(at: number, size: number): Uint32Array | undefined {
    if (this.best.subarray(at, at + size).every((cell) => cell === 0)) return undefined;
    return this.best.slice().fill(0, at, at + size);
  }

  async #halve(): Promise<void> {
    for (let at = 0; at < this.best.length; at++) {
      while ((this.best[at] as number) > 1) {
        const cells = this.best.slice();
        cells[at] = (cells[at] as number) >> 1;
        if (!(await this.#try(cells))) break;
      }
    }
  }
}
