/** The timeline of a run for people: what says nothing left out, participants by their names, and no more than can be read. */
import type { Plan } from "../../worker/plan.ts";

/** Events that are shown at most. */
const EVENTS = 30;
/** What says nothing: what nothing came of, and what the store's line tells as well. */
const DULL = [
  / (→|←) (acquire|release|renew|read-state|read-inbox|recover|register|read-tails) /,
  / (→|←|takes \w+'s) report $/,
  / takes \w+'s (renew|release|read-tails|read-state|read-inbox) /,
  /: none$/,
];
/** Of little use where there is more than can be shown. */
const MINOR = [/ ← commit/, / → commit/, / opens (source|sink) /, / (register|recover|acquire) /];

/** The last events, and every fault before them, as far as there is room. */
export function shortTimeline(timeline: readonly string[], plan: Plan, most = EVENTS): string[] {
  const telling = withoutEmptyMoments(withoutRepeats(timeline.filter((line) => !DULL.some((dull) => dull.test(line)))));
  const major = telling.length <= most ? telling : withoutEmptyMoments(telling.filter((line) => !MINOR.some((minor) => minor.test(line))));
  const shown = major.length <= most ? major : theLast(major, most);
  return shown.map((line) => named(line, plan));
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

function theLast(lines: readonly string[], most: number): string[] {
  const faults = lines.slice(0, -most).filter((line) => line.startsWith("FAULT"));
  const early = faults.slice(-Math.floor(most / 3));
  return [...early, ...lines.slice(early.length - most)];
}

/** Shards as `name[index]`, participants by name. */
function named(line: string, plan: Plan): string {
  const nameOf = (id: string): string => plan.participants.find((participant) => participant.id === Number(id))?.name ?? id;
  return line
    .replaceAll(/(?<![\w.:])(\d+)\.(\d+(?:-\d+)?)(?=[\s#,)]|$)/g, (_, id: string, index: string) => `${nameOf(id)}[${index}]`)
    .replaceAll(/(?<![\w.])p(\d+)(?=[=:])/g, (_, id: string) => nameOf(id))
    .replaceAll("9007199254740991", "END");
}
