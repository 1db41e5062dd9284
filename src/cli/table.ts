/** Tables of text: columns as wide as their widest cell, two blanks apart. */

export interface Column {
  readonly title: string;
  /** Numbers stand at the right of their column. */
  readonly right?: boolean;
}

/** The lines of a table, its titles first; none ends in blanks. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map(({ title }, at) => Math.max(title.length, ...rows.map((row) => (row[at] ?? "").length)));
  const lineOf = (cells: readonly string[]) =>
    columns.map(({ right }, at) => (right ? (cells[at] ?? "").padStart(widths[at] ?? 0) : (cells[at] ?? "").padEnd(widths[at] ?? 0))).join("  ");
  return [columns.map(({ title }) => title), ...rows].map((cells) => lineOf(cells).trimEnd());
}

/** "1,234,567". */
export function countText(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}
