/**
 * What the engine asks of the store, carried out on a `MemoryData` at one moment, and its answer told to the engine at
 * another: the two halves of what `worker/driver.ts` does with a promise in between.
 */
import type { Random } from "../../random.ts";
import type { MemoryData } from "../../store/memory-data.ts";
import type { HoldSet } from "../../store/commit.ts";
import type { Page } from "../../store/reader.ts";
import type {
  AcquireOutcome,
  Announced,
  CommitReply,
  DeliverReply,
  InboxRead,
  InboxTail,
  RecoveredShard,
  RecoverLimits,
  Registration,
  ReportReply,
  ShardSummary,
  StoredTimerEntry,
} from "../../store/store.ts";

import type { Effect } from "../../worker/effect.ts";
import type { Engine } from "../../worker/engine.ts";

type StoreKind =
  | "announce"
  | "depart"
  | "acquire"
  | "recover"
  | "register"
  | "renew"
  | "release"
  | "commit"
  | "deliver"
  | "report"
  | "read-inbox"
  | "read-state"
  | "read-names"
  | "read-timers"
  | "read-holds"
  | "read-ids"
  | "read-tails"
  | "read-heads";

export type StoreEffect = Extract<Effect, { readonly kind: StoreKind }>;

/** What the store's side of a request needs to know. */
export interface Asking {
  readonly worker: string;
  readonly leaseMs: number;
  readonly exclusive: boolean;
  readonly recover: RecoverLimits;
  readonly random: Random;
  /** Store clock, ms. */
  readonly now: number;
}

/** Carries a request out. What it gives is only meant for `tell`. */
export function carryOut(data: MemoryData, effect: StoreEffect, { worker, leaseMs, exclusive, recover, random, now }: Asking): unknown {
  switch (effect.kind) {
    case "commit":
      return data.commit(effect.commits, now);
    case "deliver":
      return data.deliver(effect.deliveries);
    case "report":
      return data.report(worker, effect.reports, now);
    case "announce":
      for (const name of effect.declined) data.announce(name, effect.ms, now);
      return data.announce(worker, effect.ms, now);
    case "depart":
      return data.depart(worker);
    case "acquire":
      return data.acquire({ worker, shards: effect.shards, leaseMs, steal: exclusive || effect.steal === true }, now, random);
    case "recover":
      return data.recover(effect.shards, recover);
    case "register":
      return data.register(worker, effect.intervals);
    case "renew":
      return data.renew(worker, effect.leases, leaseMs, now, effect.confirm);
    case "release":
      return data.release(worker, effect.leases);
    case "read-inbox":
      return data.readInbox(effect.shard, effect.from, effect.parcels);
    case "read-state":
      return data.readState(effect.shard, effect.fields);
    case "read-names":
      return data.readNames(effect.shard, effect.of, effect.prefixes, effect.cursor, effect.limit);
    case "read-timers":
      return data.readTimers(effect.shard, effect.clock, effect.limit);
    case "read-holds":
      return data.readHolds(effect.shard, effect.limit);
    case "read-ids":
      return data.readIds(effect.shard, effect.ids);
    case "read-tails":
      return data.readTails(effect.shards);
    case "read-heads":
      return data.summarize(effect.shards);
  }
}

/** Tells the engine what came of a request; `answer` undefined: nothing is known, as after a `StoreUnavailableError`. */
export function tell(engine: Engine, effect: StoreEffect, answer: unknown, now: number): void {
  switch (effect.kind) {
    case "commit":
      if (answer === undefined) engine.onCommitFailed(now, effect.call);
      else engine.onCommitReply(now, effect.call, answer as CommitReply);
      break;
    case "deliver":
      engine.onDelivered(now, effect.call, answer as DeliverReply | undefined);
      break;
    case "report":
      engine.reporter.onReport(effect.reports, answer as ReportReply | undefined);
      break;
    case "acquire":
      engine.ownership.onAcquired(effect.shards, answer as AcquireOutcome[] | undefined);
      break;
    case "recover":
      engine.ownership.onRecovered(effect.shards, answer as RecoveredShard[] | undefined);
      break;
    case "register":
      engine.ownership.onRegistered(effect.intervals, answer as Registration[] | undefined);
      break;
    case "renew":
      engine.ownership.onRenewed(effect.leases, (answer as { lost: number[] } | undefined)?.lost);
      break;
    case "announce":
      engine.ownership.onAnnounced(answer as Announced | undefined);
      break;
    case "depart":
    case "release":
      break;
    default:
      tellRead(engine, effect, answer, now);
  }
}

function tellRead(engine: Engine, effect: Extract<StoreEffect, { readonly kind: `read-${string}` }>, answer: unknown, now: number): void {
  if (effect.kind !== "read-tails" && effect.kind !== "read-heads" && !engine.awaits(effect)) return;
  switch (effect.kind) {
    case "read-inbox": {
      const read = answer as InboxRead | undefined;
      engine.onInbox(now, effect.shard, read?.from ?? effect.from, read?.parcels, read?.tail ?? 0);
      break;
    }
    case "read-state":
      engine.computation(effect.shard)?.onState(effect.keys, answer as (Uint8Array | undefined)[] | undefined);
      break;
    case "read-names":
      engine.computation(effect.shard)?.onNames(answer as Page<string> | undefined);
      break;
    case "read-timers":
      engine.computation(effect.shard)?.onPage(effect.clock, effect.limit, answer as StoredTimerEntry[] | undefined);
      break;
    case "read-holds":
      engine.computation(effect.shard)?.onPage("holds", effect.limit, answer as HoldSet[] | undefined);
      break;
    case "read-ids":
      engine.injector(effect.shard)?.onIds(effect.ids, answer as boolean[] | undefined);
      break;
    case "read-tails":
      engine.onTails(now, effect, answer as { tails: InboxTail[]; appends: number } | undefined);
      break;
    case "read-heads":
      engine.lostTails.onHeads(effect.shards, answer as ShardSummary[] | undefined);
      break;
  }
}

/** What the store made of it, where that is worth a word in the timeline. */
export function outcomesOf(effect: StoreEffect, answer: unknown): string {
  if (effect.kind === "commit") return `: ${(answer as CommitReply).outcomes.join(" ")}`;
  if (effect.kind === "deliver") return `: ${(answer as DeliverReply).outcomes.map(({ outcome }) => outcome).join(" ")}`;
  if (effect.kind !== "acquire") return "";
  const acquired = effect.shards.filter((_, i) => (answer as AcquireOutcome[])[i]?.kind === "acquired");
  return acquired.length === 0 ? ": none" : acquired.length === effect.shards.length ? ": all" : `: ${names(acquired)}`;
}

/** For the timeline. */
export function describe(effect: StoreEffect): string {
  switch (effect.kind) {
    case "commit":
      return `commit call ${effect.call}: ${effect.commits.map((commit) => `${name(commit.shard)}#${commit.number}${commit.consumed === undefined ? "" : ` -${commit.consumed.records}`}${commit.parcels.length > 0 ? ` +${commit.parcels.reduce((sum, parcel) => sum + parcel.records, 0)}` : ""}`).join(", ")}`;
    case "deliver":
      return `deliver call ${effect.call}: ${effect.deliveries.map(({ from, to, place }) => `${name(from)}→${name(to)} ${place.monotonic}/${place.n}`).join(", ")}`;
    case "report":
      return `report ${effect.reports.map((report) => `p${report.participant}=${report.output} ${report.status}`).join(", ")}`;
    case "announce":
    case "depart":
      return effect.kind;
    case "acquire":
    case "recover":
    case "read-tails":
    case "read-heads":
      return `${effect.kind} ${names(effect.shards)}`;
    case "renew":
    case "release":
      return `${effect.kind} ${names(effect.leases.map((lease) => lease.shard))}`;
    case "register":
      return `register ${effect.intervals.map((interval) => `p${interval.participant}:${interval.shards.join("+")}`).join(", ")}`;
    case "read-inbox":
      return `read-inbox ${name(effect.shard)} from ${effect.from}`;
    case "read-state":
      return `read-state ${name(effect.shard)} ${effect.keys.join(" ")}`;
    default:
      return `${effect.kind} ${name(effect.shard)}`;
  }
}

/** A shard as people read it: participant.index. */
export const name = (shard: number): string => `${Math.floor(shard / 65_536)}.${shard % 65_536}`;

/** Runs of one participant's shards as one: 2.0-4. */
function names(shards: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const shard of [...shards].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === shard - 1) last[1] = shard;
    else runs.push([shard, shard]);
  }
  return runs.map(([first, last]) => (first === last ? name(first) : `${name(first)}-${last % 65_536}`)).join(" ");
}
