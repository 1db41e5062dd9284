/** The timeline of a run for people: what says nothing left out, participants by their names, and no more than can be read. */
import type { Plan } from "../../worker/plan.ts";

/** Events that are shown at most. */
const EVENTS = 30;
/** What says nothing: what nothing came of, and what the store's line tells as well. */
const DULL = [
  / (→|←) (acquire|release|renew|read-state|read-inbox|recover|register|read-tails) /,
  / (→|←|takes \w+'s) (report |announce)$/,
  / (→|←) depart$/,
  / takes \w+'s (renew|release|read-tails|read-state|read-inbox) /,
  /: none$/,
];
/** Of little use where there is more than can be shown. */
const MINOR = [/ ← commit/, / → commit/, / report /, / has finished$/, / opens (source|sink) /, / (register|recover|acquire) /];

/** The last events; of what user code did, what went wrong, and the rest as many as there is room for, in this order. */
export function shortTimeline(timeline: readonly string[], plan: Plan): string[] {
  const telling = withoutRepeats(timeline.filter((line) => !DULL.some((dull) => dull.test(line))));
  const shown = telling.length <= EVENTS ? telling : chosen(telling);
  return withoutEmptyMoments(shown).map((line) => named(line, plan));
}

function chosen(lines: readonly string[]): string[] {
  const kept = new Set<number>();
  const keep = (room: number, matches: (line: string) => boolean): void => {
    for (let i = lines.length - 1; i >= 0 && room > 0; i--) {
      if (kept.has(i) || !matches(lines[i] as string)) continue;
      kept.add(i);
      room--;
    }
  };
  keep(2, (line) => /^(FAILS|VIOLATION)/.test(line));
  keep(EVENTS / 3, (line) => line.startsWith('  "'));
  keep(EVENTS / 3, (line) => line.startsWith("FAULT"));
  keep(EVENTS - kept.size, (line) => !line.startsWith("──") && !MINOR.some((minor) => minor.test(line)));
  return lines.filter((_, i) => kept.has(i));
}

/** Reports are repeated while nothing changes: only one that says something else is told. */
function withoutRepeats(lines: readonly string[]): string[] {
  let told = "";
  return lines.filter((line) => {
    const [, report] = /takes \w+'s report (.*)/.exec(line) ?? [];
    if (report === undefined) return !/ (→|←) report /.test(line);
    const repeated = report === told;
    told = report;
    return !repeated;
  });
}

/** Moments at which nothing else happened. */
function withoutEmptyMoments(lines: readonly string[]): string[] {
  return lines.filter((line, i) => !line.startsWith("──") || lines[i + 1]?.startsWith("──") === false);
}

/** Shards as `name[index]`, participants by name. */
function named(line: string, plan: Plan): string {
  const nameOf = (id: string): string => plan.participants.find((participant) => participant.id === Number(id))?.name ?? id;
  return line
    .replaceAll(/(?<![\w.:])(\d+)\.(\d+(?:-\d+)?)(?=[\s#,)]|$)/g, (_, id: string, index: string) => `${nameOf(id)}[${index}]`)
    .replaceAll(/(?<![\w.])p(\d+)(?=[=:])/g, (_, id: string) => nameOf(id))
    .replaceAll("9007199254740991", "END");
}
