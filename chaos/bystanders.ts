/**
 * What faults cost, from what the workers told: how long a struck shard had no worker, and how those fared whom no fault
 * had struck. It judges nothing; on a busy machine these figures are the machine's.
 */
import { shardOf, shardRef, type ShardRef } from "../src/key.ts";
import type { StoredGraph } from "../src/store/stored-graph.ts";
import { dueAt, groupOf, keyOf, type Load } from "./load.ts";
import { quantileOfWaits, rounded, type Wait } from "./quantile.ts";
import type { ChaosWorker, Tenure } from "./worker.ts";

/** Shards that lost their worker at a moment. */
export interface Strike {
  readonly at: number;
  readonly refs: readonly ShardRef[];
}

/** For each struck shard that another worker has begun to work on: ms until then. */
export function recoveries(strikes: readonly Strike[], tenures: readonly Tenure[]): number[] {
  return strikes.flatMap(({ at, refs }) =>
    refs.flatMap((ref) => {
      const next = tenures.filter((tenure) => tenure.ref === ref && tenure.from >= at).map(({ from }) => from);
      return next.length === 0 ? [] : [Math.min(...next) - at];
    }),
  );
}

/** The shards that a record passes, of a stored graph of the chaos pipeline. */
export function pathOf(load: Load, graph: StoredGraph): (n: number) => ShardRef[] {
  const of = new Map(graph.participants.map((participant) => [participant.name, participant]));
  const refOf = (name: string, key: string): ShardRef => {
    const participant = of.get(name);
    if (participant === undefined) throw new Error(`the stored graph has no ${name}`);
    return shardRef(participant.id, shardOf(key, participant.shards));
  };
  const injector = of.get("numbers")?.id ?? 0;
  return (n) => {
    const key = keyOf(load, n);
    return [shardRef(injector, n % load.partitions), refOf("counter", key), refOf("groups", groupOf(key)), refOf("ledger", `ledger ${key}`)];
  };
}

export interface Span {
  /** ms since the epoch. */
  readonly from: number;
  readonly to: number;
}
type SickSpan = Span & { readonly ref: ShardRef; readonly struckAt: number };
/** What is known of a run. */
interface Told {
  readonly workers: readonly Pick<ChaosWorker, "pulses">[];
  readonly load: Load;
  readonly startAt: number;
}

/** ms since the epoch at which the record that waited was due. */
type Due = { readonly due: number };

/**
 * How long those records waited that were due in a span of a run and were no shard's that was struck and not yet well. Where a
 * shard of theirs was struck while they waited, that is known up to then alone: what came later is that fault's doing.
 */
export function bystanders(
  { workers, load, startAt }: Told,
  { from, to }: Span,
  path: (n: number) => readonly ShardRef[],
  sick: readonly SickSpan[],
): (Wait & Due)[] {
  const byRef = new Map<ShardRef, SickSpan[]>();
  for (const each of sick) byRef.set(each.ref, [...(byRef.get(each.ref) ?? []), each]);
  const found: (Wait & Due)[] = [];
  for (const [n, at] of firstSeen(workers)) {
    const due = dueAt(load, startAt, n);
    if (due < from || due >= to) continue;
    const spans = path(n).flatMap((ref) => byRef.get(ref) ?? []);
    if (spans.some((span) => due >= span.from && due <= span.to)) continue;
    const cut = Math.min(...spans.map(({ struckAt }) => struckAt).filter((struckAt) => struckAt > due));
    found.push({ ms: Math.min(at, cut) - due, cut: cut < at, due });
  }
  return found;
}

/** Of each minute from `from` on, the 99th percentile, ms: does a machine's hour, or what grows, make the whole's? */
export function byMinute(waits: readonly (Wait & Due)[], { from, to }: Span): (number | null)[] {
  const minutes = Array.from({ length: Math.ceil((to - from) / 60_000) }, (): Wait[] => []);
  for (const wait of waits) minutes[Math.floor((wait.due - from) / 60_000)]?.push(wait);
  return minutes.map((each) => rounded(quantileOfWaits(each, 0.99)));
}

function firstSeen(workers: readonly Pick<ChaosWorker, "pulses">[]): Map<number, number> {
  const first = new Map<number, number>();
  for (const { pulses } of workers) for (const { seen } of pulses) for (const [n, at] of seen) first.set(n, Math.min(first.get(n) ?? at, at));
  return first;
}

/** Latencies, ms, of the records that were due in a span of a run that began at `startAt`, but those that `without` names. */
export function latencies(
  workers: readonly ChaosWorker[],
  load: Load,
  startAt: number,
  { from, to }: Span,
  without: (n: number, due: number) => boolean = () => false,
): number[] {
  const found: number[] = [];
  for (const [n, at] of firstSeen(workers)) {
    const due = dueAt(load, startAt, n);
    if (due >= from && due < to && !without(n, due)) found.push(at - due);
  }
  return found;
}

/** Spans in which struck shards had no worker, and a moment before and after: what lay in them then waited. */
export function sickSpans(strikes: readonly Strike[], tenures: readonly Tenure[], before: number, after: number): SickSpan[] {
  return strikes.flatMap(({ at, refs }) =>
    refs.map((ref) => {
      const next = Math.min(...tenures.filter((tenure) => tenure.ref === ref && tenure.from >= at).map(({ from }) => from));
      return { ref, struckAt: at, from: at - before, to: next + after };
    }),
  );
}

/** Of workers that held shards all the while: the longest time, ms, in which one made no commit, between `from` and `to`. */
export function longestPause(workers: readonly ChaosWorker[], from: number, to: number): number {
  let longest = 0;
  for (const { pulses } of workers) {
    let since: number | undefined;
    let commits = -1;
    for (const { pulse, commits: now, owned } of pulses) {
      if (pulse < from || pulse > to || owned < 4) since = undefined;
      else if (now !== commits || since === undefined) since = pulse;
      else longest = Math.max(longest, pulse - since);
      commits = now;
    }
  }
  return longest;
}

/** Two 99th percentiles, and their ratio. */
export function compared(during: number | undefined, before: number | undefined): { ratio: number | null; during: number | null; before: number | null } {
  return {
    ratio: during === undefined || before === undefined ? null : rounded(during / Math.max(before, 1), 2),
    during: rounded(during),
    before: rounded(before),
  };
}

/** For each shard that went from one worker to another while both lived: ms in which no one worked on it. */
export function pauses(tenures: readonly Tenure[], from: number, to: number): number[] {
  return tenures.flatMap(({ ref, worker, to: end }) => {
    if (end === undefined || end < from || end > to) return [];
    // One that was to be given up and was kept has the same worker again.
    const [next] = tenures.filter((tenure) => tenure.ref === ref && tenure.from >= end).toSorted((a, b) => a.from - b.from);
    return next === undefined || next.worker === worker ? [] : [next.from - end];
  });
}
