/** What an audit found, as people read it: a table of all invariants, each violation with what to do, and a verdict. */
import type { AuditReport } from "../audit/audit.ts";
import type { Checked, Violation } from "../audit/findings.ts";
import { durationText } from "../inspect/times.ts";
import { countText, tableLines } from "./table.ts";

/** Violations of one invariant that are shown. */
const SHOWN = 10;

/** `took`: ms. The last line is the verdict. */
export function auditLines(report: AuditReport, took: number): string[] {
  const { pipeline, store, shards, owned, entries, invariants, notes } = report;
  const { state, watermark, wall, waiting, held, dead } = entries;
  const broken = invariants.filter(({ violations }) => violations > 0);
  return [
    `pipeline ${pipeline} in ${store}: ${countText(shards)} shards, ${countText(owned)} of them owned`,
    `${countText(state)} values of state, ${countText(watermark + wall)} timers, ${countText(waiting)} records waiting, ${countText(held)} held, ${countText(dead)} dead letters`,
    "",
    ...tableLines(
      [{ title: "invariant" }, { title: "checked", right: true }, { title: "violations", right: true }],
      invariants.map(({ invariant, checked, violations }) => [invariant, countText(checked), violations === 0 ? "" : countText(violations)]),
    ),
    "",
    ...broken.flatMap(brokenLines),
    ...notes.map((note) => `note: ${note}`),
    verdict(report, broken.length, took),
  ];
}

function brokenLines({ invariant, claim, meaning, remedy, violations, examples }: Checked): string[] {
  const shown = examples.slice(0, SHOWN);
  return [
    `VIOLATED ${invariant}: ${claim}`,
    ...shown.map((violation) => `  ${placeText(violation)}${violation.found}`),
    ...(violations > shown.length ? [`  and ${countText(violations - shown.length)} more${violations > examples.length ? "" : " (--json shows them)"}`] : []),
    `  It means:   ${meaning}`,
    `  What to do: ${remedy}`,
    "",
  ];
}

function placeText({ participant, shard, key }: Violation): string {
  if (participant === undefined) return "";
  return `${participant}${shard === undefined ? "" : ` shard ${shard}`}${key === undefined ? "" : `, key ${JSON.stringify(key)}`}: `;
}

function verdict({ pipeline, invariants, violations }: AuditReport, broken: number, took: number): string {
  const checks = invariants.reduce((sum, { checked }) => sum + checked, 0);
  if (violations === 0) return `${pipeline} is sound: ${countText(checks)} checks of ${invariants.length} invariants in ${durationText(took)}, no violation`;
  return `${pipeline} is not sound: ${countText(violations)} ${violations === 1 ? "violation" : "violations"} of ${broken} of ${invariants.length} invariants (${durationText(took)})`;
}
