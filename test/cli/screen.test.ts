import { expect, test } from "vitest";
import { Screen, type Terminal } from "../../src/cli/screen.ts";

/** As much of a terminal as is used: lines, a cursor, and the three sequences that move and erase. */
class FakeTerminal implements Terminal {
  readonly columns: number;
  readonly rows: number;
  #lines: string[] = [""];
  #row = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  hasColors(): boolean {
    return false;
  }

  write(text: string): void {
    for (const [, up, erase, plain] of text.replaceAll("\x1b", "␛").matchAll(/␛\[(\d+)A\r|␛\[([KJ])|([^␛])/g)) {
      if (up !== undefined) this.#row -= Number(up);
      else if (erase === "J") this.#lines = [...this.#lines.slice(0, this.#row), ""];
      else if (erase === "K") continue;
      else if (plain === "\n") this.#lines[++this.#row] ??= "";
      else this.#type(plain ?? "");
    }
  }

  /** Each line is typed from its beginning after a move. */
  #typed = -1;
  #type(letter: string): void {
    if (this.#typed !== this.#row) this.#lines[this.#row] = "";
    this.#typed = this.#row;
    this.#lines[this.#row] += letter;
  }

  get shown(): string[] {
    return this.#lines.slice(0, this.#row);
  }
}

test("a table is drawn over in place", () => {
  const terminal = new FakeTerminal(80, 24);
  const screen = new Screen(terminal);
  terminal.write("$ before\n");
  screen.draw(() => ["title", "row 1", "row 2"], "held by a");
  screen.draw(() => ["title", "row 3"], "");
  expect(terminal.shown).toEqual(["$ before", "title", "row 3"]);
});

test("a line in between stands above the table and stays", () => {
  const terminal = new FakeTerminal(80, 24);
  const screen = new Screen(terminal);
  screen.above("starting");
  screen.draw(() => ["title", "row 1"], "");
  screen.above("warning: one");
  screen.draw(() => ["title", "row 2"], "");
  expect(terminal.shown).toEqual(["starting", "warning: one", "title", "row 2"]);
  screen.clear();
  screen.above("finished");
  expect(terminal.shown).toEqual(["starting", "warning: one", "finished"]);
});

test("what does not fit is cut, and the note is wrapped", () => {
  const terminal = new FakeTerminal(11, 5);
  const screen = new Screen(terminal);
  screen.draw(() => ["0123456789abc", "row"], "abcdefghijklmno");
  expect(terminal.shown).toEqual(["0123456789", "row", "abcdefghij", "klmno"]);
  screen.draw(() => ["a", "b", "c", "d", "e", "f"], "note");
  expect(terminal.shown).toEqual(["a", "b", "c", "d"]);
});

test("a terminal that does not know its size is taken for one of 80 by 24", () => {
  const terminal = new FakeTerminal(0, 0);
  new Screen(terminal).draw(() => ["x".repeat(100)], "");
  expect(terminal.shown).toEqual(["x".repeat(79)]);
});
