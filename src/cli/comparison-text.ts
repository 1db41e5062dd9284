/** What a copy or an import has written beside what it read, as people read it. */
import type { ComparedKind, ComparedParticipant } from "../offline/comparison.ts";
import type { CopyReport } from "../offline/copy.ts";
import { countText, tableLines } from "./table.ts";

const COLUMNS: readonly (readonly [title: string, kinds: readonly ComparedKind[]])[] = [
  ["state", ["state"]],
  ["timers", ["watermark", "wall"]],
  ["holds", ["holds"]],
  ["waiting", ["waiting"]],
  ["held", ["held"]],
  ["dead letters", ["dead"]],
  ["client ids", ["ids"]],
];

export function comparisonLines(report: CopyReport): string[] {
  const { pipeline, from, to, shards, participants, differing, differences, violations, resumed } = report;
  const titles = [{ title: "" }, { title: "shards", right: true }, ...COLUMNS.map(([title]) => ({ title, right: true }))];
  return [
    `pipeline ${pipeline} from ${from} to ${to}${resumed ? ", gone on with what was there" : ""}`,
    "",
    ...tableLines(titles, participants.map(rowOf)),
    "",
    ...differences.map((difference) => `DIFFERS ${difference}`),
    ...(differing > differences.length ? [`and ${countText(differing - differences.length)} more`] : []),
    verdict(report, shards, differing, violations),
  ];
}

/** One number where it is the same here and there. */
function rowOf({ name, shards, counts }: ComparedParticipant): string[] {
  const text = (from: number, to: number): string => (from === to ? (from === 0 ? "" : countText(from)) : `${countText(from)} to ${countText(to)}`);
  const sum = (kinds: readonly ComparedKind[], side: 0 | 1): number => kinds.reduce((total, kind) => total + counts[kind][side], 0);
  return [name, text(...shards), ...COLUMNS.map(([, kinds]) => text(sum(kinds, 0), sum(kinds, 1)))];
}

function verdict({ pipeline, to }: CopyReport, shards: number, differing: number, violations: number): string {
  if (differing > 0) return `${pipeline} in ${to} is not what was read, and no worker will run it: delete it there, and give the command again`;
  if (violations > 0) return `${pipeline} in ${to} is what was read, but has ${countText(violations)} violations: millrace audit says which`;
  return `${pipeline} is whole in ${to}: all of it was compared, and the audit found no violation. Run it with { shards: ${shards} } in its code`;
}
