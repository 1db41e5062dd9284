/** `millrace workers`: who works on a running pipeline, what each owns, and what waits for what. */
import { durationText } from "../inspect/times.ts";
import type { FullInboxView, WorkersView, WorkerView } from "../inspect/workers-view.ts";
import { DONE } from "./exit.ts";
import { endpointOf, print, type RemoteOptions } from "./remote.ts";
import { type Column, countText, tableLines } from "./table.ts";

const COLUMNS: readonly Column[] = [
  { title: "worker" },
  { title: "address" },
  { title: "up", right: true },
  { title: "graph", right: true },
  { title: "lease left", right: true },
  { title: "shards", right: true },
  { title: "taken", right: true },
  { title: "given", right: true },
  { title: "lost", right: true },
  { title: "commits", right: true },
  { title: "fenced", right: true },
  { title: "waits" },
];
const UNKNOWN = "unknown";

/** Prints to standard output and gives the exit code. Rejects with an `EndpointError`. */
export async function workersCommand(options: RemoteOptions): Promise<number> {
  print(await endpointOf(options).workers(), options, workersLines);
  return DONE;
}

export function workersLines(view: WorkersView): string[] {
  const rows = view.workers.map((worker) => rowOf(worker, view.now));
  const shares = view.workers.flatMap(({ worker, shares: each }) => (each.length === 0 ? [] : [`${worker} owns ${each.map(shareText).join("; ")}`]));
  const full = view.backPressure.map(fullText);
  return [...tableLines(COLUMNS, rows), "", ...shares, ...(full.length > 0 ? ["", ...full] : [])];
}

function rowOf({ worker, alive, address, since, graph, lease, owned, counts, waitsFor }: WorkerView, now: number): string[] {
  const counted = (count: number | undefined) => (count === undefined ? UNKNOWN : countText(count));
  return [
    worker,
    alive ? (address ?? (counts === null ? UNKNOWN : "no endpoint")) : "silent: it hands over, or is dead",
    since === null ? UNKNOWN : durationText(now - since),
    graph === null ? UNKNOWN : String(graph),
    lease.margin === null ? "-" : lease.margin < 0 ? "over" : durationText(lease.margin),
    String(owned),
    ...[counts?.taken, counts?.given, counts?.lost, counts?.commits, counts?.fenced].map(counted),
    waitsFor === null
      ? UNKNOWN
      : waitsFor.map(({ participant, full }) => `${participant} for ${[...new Set(full.map((each) => each.participant))].join(", ")}`).join("; "),
  ];
}

/** "window 0-3, 7". */
function shareText({ participant, shards }: WorkerView["shares"][number]): string {
  const runs: [number, number][] = [];
  for (const { shard } of shards) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === shard - 1) last[1] = shard;
    else runs.push([shard, shard]);
  }
  return `${participant} ${runs.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(", ")}`;
}

function fullText({ participant, shard, queued, owner, fedBy }: FullInboxView): string {
  return `${participant} shard ${shard} is full: ${countText(queued)} records wait for ${owner ?? "an owner"}, and ${fedBy.join(", ")} for them`;
}
