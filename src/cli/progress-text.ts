/** Progress as people read it: a table for a terminal and the end of a run, one line for a file or a pipe. */
import { durationText } from "../inspect/times.ts";
import type { EventTime, Lag, ParticipantWatermarks } from "../inspect/views.ts";
import type { Worker } from "../worker/worker.ts";
import { lastOf, type ParticipantProgress, type Progress } from "./progress.ts";
import { type Column, countText, tableLines } from "./table.ts";

/** On a narrow terminal names are cut first; what tells whether all is well, the watermark and the status, stays longest. */
const COLUMNS: readonly Column[] = [
  { title: "", least: 10 },
  { title: "watermark", spare: 7 },
  { title: "lag", right: true, spare: 6 },
  { title: "records", right: true, spare: 5 },
  { title: "per s", right: true, spare: 3 },
  { title: "late", right: true, spare: 2 },
  { title: "dead", right: true, spare: 4 },
  { title: "waiting", right: true, spare: 1 },
  { title: "status" },
];

/** `columns`: those of the terminal. */
export function progressTable({ participants }: Progress, columns?: number): string[] {
  return tableLines(
    COLUMNS,
    participants.map(({ watermarks, counters, rate, queued }) => [
      watermarks.name,
      watermarkText(watermarks.output),
      lagText(watermarks.lag),
      countText(counters.processed),
      countText(rate),
      watermarks.kind === "injector" ? "" : countText(counters.late),
      countText(counters.deadLetters),
      watermarks.kind === "injector" ? "" : countText(queued),
      watermarks.status,
    ]),
    columns,
  );
}

const SUMMARY: readonly Column[] = [
  { title: "" },
  { title: "records", right: true },
  { title: "late", right: true },
  { title: "timers fired", right: true },
  { title: "produced", right: true },
  { title: "duplicates", right: true },
  { title: "dead letters", right: true },
];

/** What this process did: for the end of a run. */
export function summaryTable({ participants }: Progress): string[] {
  const some = (count: number) => (count === 0 ? "" : countText(count));
  return tableLines(
    SUMMARY,
    participants.map(({ watermarks, counters }) => [
      watermarks.name,
      countText(counters.processed),
      some(counters.late),
      some(counters.timersFired),
      some(counters.produced),
      some(counters.duplicates),
      some(counters.deadLetters),
    ]),
  );
}

/** The participant that is furthest behind of those that feed no other. */
export function furthestBehind(worker: Worker, progress: Progress): ParticipantWatermarks | undefined {
  const order = ({ output }: ParticipantWatermarks) => (output === "end" ? Number.POSITIVE_INFINITY : (output ?? -1));
  return lastOf(worker, progress)
    .map(({ watermarks }) => watermarks)
    .toSorted((a, b) => order(a) - order(b))[0];
}

export function progressLine(worker: Worker, progress: Progress, startedAt: number): string {
  const total = (of: readonly ParticipantProgress[], value: (each: ParticipantProgress) => number) => of.reduce((sum, each) => sum + value(each), 0);
  const injectors = progress.participants.filter(({ watermarks }) => watermarks.kind === "injector");
  const computations = progress.participants.filter(({ watermarks }) => watermarks.kind === "computation");
  const sinks = progress.participants.filter(({ watermarks }) => watermarks.kind === "sink");
  const last = furthestBehind(worker, progress);
  const parts = [
    `${countText(total(injectors, ({ counters }) => counters.processed))} in (${countText(total(injectors, ({ rate }) => rate))}/s)`,
    `${countText(total(sinks, ({ counters }) => counters.processed))} out`,
    `watermark ${watermarkText(last?.output ?? null)}`,
    `lag ${last === undefined ? "-" : lagText(last.lag)}`,
    `late ${countText(total(computations, ({ counters }) => counters.late))}`,
    `dead letters ${countText(total(progress.participants, ({ counters }) => counters.deadLetters))}`,
  ];
  if (progress.workers > 1)
    parts.push(`${progress.owned} of ${progress.shards} shards, beside ${progress.workers - 1} other ${progress.workers === 2 ? "worker" : "workers"}`);
  const heldBy = last?.heldBy ?? null;
  if (heldBy !== null) parts.push(`held by ${heldBy.text}`);
  return `${durationText(progress.at - startedAt)}: ${parts.join(", ")}`;
}

/** "2026-03-01 12:00:03", in UTC. */
export function watermarkText(watermark: EventTime): string {
  if (watermark === null) return "-";
  if (watermark === "end") return "end";
  return watermark > 8_640_000_000_000_000 ? String(watermark) : new Date(watermark).toISOString().slice(0, 19).replace("T", " ");
}

export const lagText = ({ clock }: Lag): string => (clock === null ? "-" : durationText(clock));
