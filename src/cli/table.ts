/** Tables of text: columns as wide as their widest cell, two blanks apart; where that is too wide, narrower in an order that each table gives. */

export interface Column {
  readonly title: string;
  /** Numbers stand at the right of their column. */
  readonly right?: boolean;
  /** Letters that its cells may be cut to where the table is too wide; before any column is left out. Default: none is cut. */
  readonly least?: number;
  /** It may be left out where the table is still too wide, the lowest of these first. Default: never. */
  readonly spare?: number;
}

const GAP = "  ";

/** The lines of a table, its titles first; none ends in blanks. `most`: letters of a line that the columns try to keep to. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly string[])[], most: number = Number.POSITIVE_INFINITY): string[] {
  const full = columns.map(({ title }, at) => Math.max(title.length, ...rows.map((row) => (row[at] ?? "").length)));
  const widths = fitting(columns, full, most);
  const lineOf = (cells: readonly string[]) =>
    [...widths]
      .map(([at, width]) => {
        const cell = cut(cells[at] ?? "", width);
        return columns[at]?.right === true ? cell.padStart(width) : cell.padEnd(width);
      })
      .join(GAP);
  return [columns.map(({ title }) => title), ...rows].map((cells) => lineOf(cells).trimEnd());
}

/** Widths of the columns that are shown, by their places. */
function fitting(columns: readonly Column[], full: readonly number[], most: number): ReadonlyMap<number, number> {
  const places = columns.map((_, at) => at);
  const spareOf = (at: number) => columns[at]?.spare ?? Number.POSITIVE_INFINITY;
  const spares = places.filter((at) => spareOf(at) < Number.POSITIVE_INFINITY).toSorted((a, b) => spareOf(a) - spareOf(b));
  for (let left = 0; ; left++) {
    const widths = new Map(places.filter((at) => !spares.slice(0, left).includes(at)).map((at) => [at, full[at] ?? 0]));
    for (const [at, width] of widths) {
      const over = widthOf(widths) - most;
      const least = columns[at]?.least;
      if (over > 0 && least !== undefined) widths.set(at, Math.max(Math.min(width, least), width - over));
    }
    if (left === spares.length || widthOf(widths) <= most) return widths;
  }
}

const widthOf = (widths: ReadonlyMap<number, number>): number => [...widths.values()].reduce((sum, width) => sum + width + GAP.length, -GAP.length);

const cut = (text: string, width: number): string => (text.length <= width ? text : `${text.slice(0, width - 1)}…`);

/** "1,234,567". */
export function countText(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}
