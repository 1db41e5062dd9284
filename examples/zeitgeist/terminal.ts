/** What people see: numbers, the line of progress and the table of anomalies. Calm where output goes to a file or pipe. */
import { timeText } from "./calendar.ts";
import type { Episode } from "./results.ts";

/** 3000000 as "3,000,000". */
export const grouped = (n: number): string => Math.round(n).toLocaleString("en-US");

/** Lines of text; on a terminal the last one may be rewritten in place. */
export class Terminal {
  readonly #out: NodeJS.WriteStream;
  readonly #silent: boolean;
  #open = false;
  #last = 0;

  constructor(out: NodeJS.WriteStream, silent: boolean) {
    this.#out = out;
    this.#silent = silent;
  }

  line(text = ""): void {
    if (this.#silent) return;
    this.#close();
    this.#out.write(`${text}\n`);
  }

  /** Something that is soon out of date: rewritten in place on a terminal, else a line every five seconds. */
  passing(text: string): void {
    if (this.#silent) return;
    if (this.#out.isTTY) {
      this.#out.write(`\r\u001b[K${text.slice(0, this.#out.columns - 1)}`);
      this.#open = true;
    } else if (Date.now() - this.#last >= 5_000) {
      this.#last = Date.now();
      this.#out.write(`${text}\n`);
    }
  }

  #close(): void {
    if (this.#open) this.#out.write("\n");
    this.#open = false;
  }
}

/** The strongest episodes, as a table. */
export function tableOf(episodes: readonly Episode[]): string {
  if (episodes.length === 0) return "  none";
  const rows = episodes.map(({ airport, start, end, count, expected, score }) => [
    airport,
    `${timeText(start)} to ${timeText(end).slice(-5)}`,
    grouped(count),
    expected.toFixed(1),
    score.toFixed(1),
  ]);
  const head = ["airport", "when, local time", "flights", "expected", "score"];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] as string).length)));
  const text = (row: readonly string[]): string =>
    row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))).join("  ");
  return [text(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(text)].map((line) => `  ${line}`).join("\n");
}
