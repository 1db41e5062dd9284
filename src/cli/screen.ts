/**
 * The lower end of a terminal, drawn over in place.
 *
 * S1  Nothing that was there before, or that was written above, is ever drawn over.
 */
import { styleText } from "node:util";

/** What is needed of a terminal's stream. */
export interface Terminal {
  readonly columns: number;
  readonly rows: number;
  write(text: string): unknown;
  hasColors(): boolean;
}

/** The lines of a table for a terminal of so many columns. */
export type Table = (columns: number) => readonly string[];

export class Screen {
  readonly #stream: Terminal;
  #table: Table = () => [];
  #note = "";
  /** Lines on the terminal that are ours. */
  #height = 0;

  constructor(stream: Terminal) {
    this.#stream = stream;
  }

  /** A table, cut at the edges of the terminal, and a note under it, which is wrapped. */
  draw(table: Table, note: string): void {
    // What is taller or wider than the terminal could not be drawn over. Some terminals do not know their size.
    const columns = (this.#stream.columns || 80) - 1;
    const rows = (this.#stream.rows || 24) - 1;
    const lines = [...table(columns).map((line) => line.slice(0, columns)), ...wrapped(note, columns)].slice(0, Math.max(1, rows));
    const styled = lines.map((line, at) => (at === 0 && this.#stream.hasColors() ? styleText("dim", line) : line));
    this.#stream.write(`${this.#back()}${styled.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
    this.#table = table;
    this.#note = note;
    this.#height = lines.length;
  }

  /** Writes a line that stays, above what is drawn. */
  above(line: string): void {
    const drawn = this.#height > 0;
    this.clear();
    this.#stream.write(`${line}\n`);
    if (drawn) this.draw(this.#table, this.#note);
  }

  clear(): void {
    if (this.#height > 0) this.#stream.write(`${this.#back()}\x1b[J`);
    this.#height = 0;
  }

  #back(): string {
    return this.#height === 0 ? "" : `\x1b[${this.#height}A\r`;
  }
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (let rest = text; rest !== ""; rest = rest.slice(columns)) lines.push(rest.slice(0, columns));
  return lines;
}
