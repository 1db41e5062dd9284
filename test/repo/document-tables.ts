/** Tables of the documents, as tests read them: of what stands under a heading, each row by the names of its columns. */
import { files } from "./project-files.ts";

export type Row = Readonly<Record<string, string>>;

export function documentText(path: string): string {
  const text = files.find((file) => file.path === path)?.text;
  if (text === undefined) throw new Error(`there is no ${path}`);
  return text;
}

/** The rows of the first table under a heading (given without its #). */
export function tableUnder(path: string, heading: string): Row[] {
  const sections = documentText(path).split(/^#+ /m);
  const section = sections.find((each) => each.split("\n", 1)[0] === heading);
  const lines = (section ?? "").split("\n");
  const start = lines.findIndex((line) => line.startsWith("|"));
  if (start < 0) throw new Error(`${path} has no table under "${heading}"`);
  const end = lines.findIndex((line, i) => i > start && !line.startsWith("|"));
  const [names = [], , ...rows] = lines.slice(start, end < 0 ? undefined : end).map(cellsOf);
  return rows.map((cells) => Object.fromEntries(names.map((name, i) => [name, cells[i] ?? ""])));
}

function cellsOf(line: string): string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll("`", ""));
}

/** "3,600,000" as 3600000; undefined: it is no number. */
export function numberOf(text: string): number | undefined {
  return /^[\d,]+$/.test(text) ? Number(text.replaceAll(",", "")) : undefined;
}
