/**
 * Who works on a pipeline, what each owns, and what waits for what: `/v1/workers`. Made of what is stored alone, so any
 * worker can tell of all, also of those that have no endpoint, are of another version, or are dead and still hold leases.
 */
import { indexOf, participantOf } from "../key.ts";
import type { PipelineStore, ShardSummary, StoredWorker } from "../store/store.ts";
import { INBOX_HIGH } from "../worker/backlog.ts";
import { parseAnnounced } from "../worker/declined.ts";
import type { PlannedParticipant } from "../worker/plan.ts";
import { type About, parseAbout, type WorkCounts } from "../worker/profile.ts";
import type { Worker } from "../worker/worker.ts";
import { shardsOf } from "./stored-views.ts";
import { isoOf } from "./times.ts";

/** Who works on the pipeline, as is stored: any worker tells the same. */
export interface WorkersView {
  readonly pipeline: string;
  /** The worker that answers. */
  readonly worker: string;
  readonly now: number;
  /** The store's clock, by which leases go. */
  readonly storeNow: number;
  readonly workers: readonly WorkerView[];
  /** Inboxes above their bound. */
  readonly backPressure: readonly FullInboxView[];
}

/** What a worker has not said of itself is null: one of another version, or one that is dead and holds leases still. */
export interface WorkerView {
  readonly worker: string;
  /** Does it announce itself? */
  readonly alive: boolean;
  /** ms until it counts as dead unless it announces itself again; null: it does, or it has the store to itself. */
  readonly silentIn: number | null;
  /** Where other workers reach it; null as well where it has no endpoint. */
  readonly address: string | null;
  readonly host: string | null;
  readonly pid: number | null;
  /** When it started, ms by its own clock. */
  readonly since: number | null;
  readonly sinceIso: string | null;
  /** Version of the graph that it runs: it counts up with each start of code that has another graph. */
  readonly graph: number | null;
  /** Of the one of its leases that ends first: its length, ms since it was prolonged, ms that are left (negative: it is over). */
  readonly lease: { readonly ms: number | null; readonly age: number | null; readonly margin: number | null };
  /** Shards that it owns. */
  readonly owned: number;
  readonly shares: readonly { readonly participant: string; readonly shards: readonly { readonly shard: number; readonly sequencer: string | null }[] }[];
  /** Since it started, as of its last announcement. Shards: come to be its own, handed over, lost without that. */
  readonly counts: WorkCounts | null;
  /** Its participants that start nothing new, and the first full inboxes that they feed; as of its last announcement. */
  readonly waitsFor: readonly BackPressureView[] | null;
}

export interface BackPressureView {
  readonly participant: string;
  readonly full: readonly { readonly participant: string; readonly shard: number; readonly queued: number; readonly owner: string | null }[];
}

/** `fedBy`: the participants that wait until it has been worked off. */
export interface FullInboxView {
  readonly participant: string;
  readonly shard: number;
  readonly queued: number;
  readonly owner: string | null;
  readonly fedBy: readonly string[];
}

export async function workersView(worker: Worker, store: PipelineStore): Promise<Pick<WorkersView, "storeNow" | "workers" | "backPressure">> {
  const { participants } = worker.engine.options.plan;
  const [summaries, { workers, now }] = await Promise.all([store.summarize(participants.flatMap(shardsOf)), store.readWorkers()]);
  // One that has the store to itself tells no one of itself.
  const own: StoredWorker = { worker: worker.name, until: now, about: worker.profile.text() };
  const alive = new Set(parseAnnounced(workers.map((each) => each.worker)).workers);
  const known = new Map((store.exclusive ? [own] : workers.filter((each) => alive.has(each.worker))).map((each) => [each.worker, each]));
  const names = new Set([...known.keys(), ...summaries.flatMap(({ owner }) => owner ?? [])]);
  const owners = new Map(summaries.map(({ shard, owner }) => [shard, owner ?? null]));
  const views = [...names].sort().map((name) => {
    const owned = summaries.filter(({ owner }) => owner === name);
    return workerView(name, { stored: known.get(name), exclusive: store.exclusive, owned, now, participants, owners });
  });
  return { storeNow: now, workers: views, backPressure: fullInboxes(summaries, participants) };
}

interface Seen {
  /** undefined: it does not announce itself, or no more. */
  readonly stored: StoredWorker | undefined;
  readonly exclusive: boolean;
  readonly owned: readonly ShardSummary[];
  readonly now: number;
  readonly participants: readonly PlannedParticipant[];
  readonly owners: ReadonlyMap<number, string | null>;
}

function workerView(worker: string, { stored, exclusive, owned, now, participants, owners }: Seen): WorkerView {
  const about = parseAbout(stored?.about);
  const shares = participants.map(({ id, name }) => ({ participant: name, shards: owned.filter(({ shard }) => participantOf(shard) === id).map(shardOf) }));
  const until = owned.length === 0 ? undefined : Math.min(...owned.map(({ leaseUntil }) => leaseUntil));
  const margin = until === undefined ? null : until - now;
  return {
    worker,
    alive: stored !== undefined,
    silentIn: stored === undefined || exclusive ? null : stored.until - now,
    address: about?.reach?.address ?? null,
    host: about?.host ?? null,
    pid: about?.pid ?? null,
    since: about?.since ?? null,
    sinceIso: isoOf(about?.since),
    graph: about?.graph ?? null,
    lease: { ms: about?.leaseMs ?? null, age: margin === null || about === undefined ? null : Math.max(0, about.leaseMs - margin), margin },
    owned: owned.length,
    shares: shares.filter(({ shards }) => shards.length > 0),
    counts: about?.counts ?? null,
    waitsFor: about === undefined ? null : waiting(about, participants, owners),
  };
}

const shardOf = ({ shard, sequencer }: ShardSummary): WorkerView["shares"][number]["shards"][number] => ({
  shard: indexOf(shard),
  sequencer: sequencer ?? null,
});

function waiting({ blocked }: About, participants: readonly PlannedParticipant[], owners: Seen["owners"]): BackPressureView[] {
  const nameOf = (id: number) => participants.find((each) => each.id === id)?.name ?? String(id);
  return blocked.map(({ participant, by }) => ({
    participant: nameOf(participant),
    full: by.map((each) => {
      const planned = participants.find(({ id }) => id === each.participant);
      const ref = planned === undefined ? undefined : shardsOf(planned)[each.shard];
      return { participant: nameOf(each.participant), shard: each.shard, queued: each.queued, owner: (ref === undefined ? null : owners.get(ref)) ?? null };
    }),
  }));
}

/** By what is stored: whoever feeds these starts nothing new until they are worked off. */
function fullInboxes(summaries: readonly ShardSummary[], participants: readonly PlannedParticipant[]): FullInboxView[] {
  return summaries.flatMap(({ shard, queued, owner }) => {
    const participant = participants.find(({ id }) => id === participantOf(shard));
    if (queued <= INBOX_HIGH || participant === undefined) return [];
    const fedBy = participants.filter(({ id }) => participant.upstream.includes(id)).map(({ name }) => name);
    return [{ participant: participant.name, shard: indexOf(shard), queued, owner: owner ?? null, fedBy }];
  });
}
