/**
 * The audit of one pipeline's stored data: what is read, and in which order. The rules are in `*-rules.ts`; each is
 * judged on what one call has read, or on calls in an order in which a healthy pipeline that runs meanwhile cannot
 * break it. So no shard has to stand still, and none is accused because it did not.
 *
 * Q1  Published watermarks are read before the shards that they must not have passed, and again after the shards whose
 *     input they must allow: neither ever falls.
 * Q2  Of a shard: its head; its ids, held entries, dead letters, timers, holds and state; its counts; its head again,
 *     whose numbers only rise; its inbox to its end.
 * Q3  Two entries that have to agree are looked up together.
 * Q4  Where the graph changed, or the server turned out to be another, all is read anew.
 */
import { systemClock } from "../clock.ts";
import { ConfigError, IncompatibleDataError, StoreRefusedError, StoreUnavailableError } from "../errors.ts";
import { HASH_NAME, shardRef, type ShardRef } from "../key.ts";
import { checkOptions } from "../options.ts";
import {
  type EntryCount,
  type EntryKind,
  isReadable,
  type Page,
  type ReadableStore,
  type ShardHead,
  type StoreReader,
  type TimeKind,
} from "../store/reader.ts";
import type { Store } from "../store/store.ts";
import { DATA_FORMAT, type StoredGraph } from "../store/stored-graph.ts";
import { EntryRules } from "./entry-rules.ts";
import { type Checked, Findings } from "./findings.ts";
import { checkCounts, checkHead, checkImage, checkKind, checkMonotone, imageOf } from "./head-rules.ts";
import { AuditedShard, checkGraph, StoredNames } from "./stored-names.ts";
import { checkPercentiles, FollowedTracks } from "./track-rules.ts";
import { type Authorities, checkAuthorities, checkOutputs, checkRise, isAtEnd, largestBound } from "./watermark-rules.ts";
import { WorkRules } from "./work-rules.ts";

/** Entries asked for at once, parcels asked for at once, shards read at a time. */
const ENTRIES = 4_000;
const PARCELS = 64;
const SHARDS = 4;
/** Times that all is read anew before it is given up. */
const TRIES = 5;

export interface AuditOptions {
  /** The pipeline's name. */
  readonly pipeline: string;
}

/** What was found in one pipeline's data. */
export interface AuditReport {
  readonly pipeline: string;
  /** The store, without credentials. */
  readonly store: string;
  /** Violations of all invariants. */
  readonly violations: number;
  readonly shards: number;
  /** Shards that a worker owns, or owned when it died. */
  readonly owned: number;
  /** Entries of all shards by kind, and records that wait in inboxes. */
  readonly entries: EntryCount & { readonly waiting: number };
  /** Each invariant, whether it was violated or not. */
  readonly invariants: readonly Checked[];
  /** What is no violation, but worth knowing. */
  readonly notes: readonly string[];
}

/** Names of the pipelines that have data in a store, in order. */
export async function storedPipelines(store: Store): Promise<readonly string[]> {
  return readable(store).pipelines(systemClock);
}

/**
 * Checks what a store holds of a pipeline, while it runs or not, and writes nothing. The report tells what is broken;
 * the promise rejects where nothing can be said: `StoreRefusedError` (no such pipeline), `StoreUnavailableError`,
 * `IncompatibleDataError` (data of another version of Millrace), `ConfigError` (a store that cannot be read from outside).
 */
export async function audit(store: Store, options: AuditOptions): Promise<AuditReport> {
  checkOptions("audit", options, ["pipeline"]);
  const reader = await readable(store).read({ pipeline: options.pipeline, clock: systemClock });
  try {
    return await auditOf(reader, options.pipeline);
  } finally {
    await reader.close();
  }
}

function readable(store: Store): ReadableStore {
  if (isReadable(store)) return store;
  throw new ConfigError("audit: this store cannot be read from outside; give a RedisStore, an LmdbStore or a MemoryStore");
}

async function auditOf(reader: StoreReader, pipeline: string): Promise<AuditReport> {
  for (let tries = 0; tries < TRIES; tries++) {
    const graph = await reader.readGraph();
    if (graph === undefined) throw new StoreRefusedError(`${reader.description} has nothing of a pipeline "${pipeline}"; give the name it runs by`);
    checkVersion(graph, reader);
    const { generation } = reader;
    const pass = new Audit(reader, graph);
    const report = await pass.run(pipeline);
    const after = await reader.readGraph();
    if (reader.generation === generation && after?.version === graph.version) return report;
  }
  throw new StoreUnavailableError(
    `${reader.description}: the graph of pipeline "${pipeline}", or the server, changed ${TRIES} times during the audit; try again`,
  );
}

function checkVersion({ format, hash, participants }: StoredGraph, { description }: StoreReader): void {
  if (format === DATA_FORMAT && hash === HASH_NAME && Array.isArray(participants)) return;
  throw new IncompatibleDataError(
    `${description}: the data has format ${format} and hash ${hash}, this Millrace reads ${DATA_FORMAT} and ${HASH_NAME}: audit it with the version that wrote it`,
  );
}

/** One pass over everything. */
class Audit {
  readonly #reader: StoreReader;
  readonly #names: StoredNames;
  readonly #findings = new Findings();
  readonly #tracks: FollowedTracks;
  readonly #entries = { state: 0, held: 0, dead: 0, outbox: 0, watermark: 0, wall: 0, holds: 0, ids: 0, waiting: 0 };
  #owned = 0;
  /** Largest input watermark of each participant's shards, and in which it is. */
  readonly #inputs = new Map<number, { readonly input: number; readonly shard: AuditedShard }>();

  constructor(reader: StoreReader, graph: StoredGraph) {
    this.#reader = reader;
    this.#names = new StoredNames(graph);
    this.#tracks = new FollowedTracks(this.#names);
  }

  async run(pipeline: string): Promise<AuditReport> {
    const { graph } = this.#names;
    const ids = graph.participants.map(({ id }) => id);
    checkGraph(graph, this.#findings);
    const unreadable = await this.#strays(graph);
    const before = await this.#reader.readAuthorities(ids);
    checkAuthorities(this.#names, before, this.#findings);
    const shards = graph.participants.flatMap(({ id, shards }) => Array.from({ length: shards }, (_, index) => shardRef(id, index)));
    const queue = shards.filter((shard) => !unreadable.has(shard)).values();
    await Promise.all(Array.from({ length: SHARDS }, () => this.#drain(queue, before)));
    const tracks = await this.#reader.readAuthorities(this.#tracks.ids);
    await this.#checkPromised(tracks);
    const after = await this.#reader.readAuthorities([...ids, ...this.#tracks.ids]);
    checkAuthorities(this.#names, after, this.#findings);
    this.#tracks.check(tracks, after, this.#findings);
    checkRise(this.#names, before, after, this.#findings);
    checkOutputs(this.#names, after, this.#findings);
    this.#checkInputs(after);
    const invariants = this.#findings.checks;
    return {
      pipeline,
      store: this.#reader.description,
      violations: invariants.reduce((sum, { violations }) => sum + violations, 0),
      shards: shards.length,
      owned: this.#owned,
      entries: { ...this.#entries },
      invariants,
      notes: this.#findings.notes,
    };
  }

  /** Gives the shards that cannot be read. */
  async #strays(graph: StoredGraph): Promise<ReadonlySet<ShardRef>> {
    const strays = await this.#reader.readStrays(graph);
    this.#findings.checked(
      "keys",
      graph.participants.reduce((sum, { shards }) => sum + shards, 0),
    );
    const unreadable = new Set<ShardRef>();
    for (const { key, what, shard } of strays) {
      const where = shard === undefined ? {} : new AuditedShard(this.#names, shard).at();
      this.#findings.violated("keys", where, what === "unknown" ? `${key} belongs to nothing of the graph` : `${key} is ${what}`);
      if (shard !== undefined) unreadable.add(shard);
    }
    this.#findings.note("# shards have keys missing or of another type, and could not be checked further", unreadable.size);
    return unreadable;
  }

  async #drain(queue: Iterator<ShardRef>, published: Authorities): Promise<void> {
    for (let next = queue.next(); next.done !== true; next = queue.next()) await this.#shard(new AuditedShard(this.#names, next.value), published);
  }

  async #shard(shard: AuditedShard, published: Authorities): Promise<void> {
    const findings = this.#findings;
    const first = await this.#reader.readHead(shard.ref);
    checkHead(shard, first, findings);
    const firstImage = imageOf(shard, first, findings);
    const [entries, work] = [new EntryRules(shard, firstImage?.swept ?? 0, findings), new WorkRules(shard, findings)];
    await this.#walk(shard, entries, work);
    const { counted, there } = await this.#reader.countEntries(shard.ref);
    checkCounts(shard, counted, there, findings);
    const last = await this.#reader.readHead(shard.ref);
    const lastImage = imageOf(shard, last, findings);
    if (lastImage !== undefined) checkImage(shard, lastImage, there.dead, entries, work, findings);
    if (firstImage !== undefined && lastImage !== undefined) checkPercentiles(shard, [firstImage, lastImage], findings);
    if (lastImage !== undefined) this.#tracks.learn(shard, lastImage);
    checkKind(shard, there, last, findings);
    checkMonotone(shard, first, last, firstImage && lastImage && [firstImage, lastImage], findings);
    for (let from: number | undefined = 0; from !== undefined; ) from = work.inbox(await this.#reader.readParcels(shard.ref, from, PARCELS));

    if (firstImage !== undefined) this.#pending(shard, published, firstImage.input, lastImage?.input, work);
    if (isAtEnd(this.#names, shard.participant, published)) this.#atEnd(shard, there, last);
    for (const kind of Object.keys(there) as (keyof EntryCount)[]) this.#entries[kind] += there[kind];
    this.#entries.waiting += work.waiting;
    if (last.owner !== undefined) this.#owned += 1;
  }

  async #walk({ ref }: AuditedShard, entries: EntryRules, work: WorkRules): Promise<void> {
    const times = (kind: TimeKind) => this.#pages((cursor) => this.#reader.readTimes(ref, kind, cursor, ENTRIES));
    const values = (kind: EntryKind) => this.#pages((cursor) => this.#reader.readEntries(ref, kind, cursor, ENTRIES));
    const answer = async () => {
      const asked = entries.ask();
      if (asked !== undefined) asked.answer(await this.#reader.lookUp(ref, asked.names));
    };
    for await (const page of times("ids")) entries.ids(page);
    for await (const page of values("held")) work.held(page);
    if (work.mayBeHeldTwice) {
      const ids = new Set<string>();
      for await (const page of values("held")) for (const { name } of page) ids.add(name);
      work.heldAgain(ids);
    }
    for await (const page of values("dead")) work.dead(page);
    for await (const page of values("outbox")) work.outbox(page);
    for await (const page of times("watermark")) entries.timers("watermark", page);
    for await (const page of times("wall")) entries.timers("wall", page);
    for await (const page of times("holds")) {
      entries.holds(page);
      await answer();
    }
    for await (const page of values("state")) {
      entries.state(page);
      await answer();
    }
  }

  async *#pages<Entry>(read: (cursor: string | undefined) => Promise<Page<Entry>>): AsyncGenerator<readonly Entry[]> {
    let cursor: string | undefined;
    do {
      const page = await read(cursor);
      if (page.entries.length > 0) yield page.entries;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  /** `input`: of before the held entries were read; `later`: of after. */
  #pending(shard: AuditedShard, published: Authorities, input: number, later: number | undefined, { smallestHold }: WorkRules): void {
    const output = published.get(shard.participant.id)?.published.output ?? -1;
    const findings = this.#findings;
    if (smallestHold !== undefined) {
      const { hold, id, key } = smallestHold;
      findings.expect("watermark-pending", input <= hold, shard.at(key), () => `held record ${id} holds at ${hold}; the shard's input watermark is ${input}`);
      findings.expect("watermark-pending", output <= hold, shard.at(key), () => `held record ${id} holds at ${hold}; ${output} is published`);
    }
    if (later === undefined) return;
    if (shard.participant.kind === "injector")
      findings.expect("watermark-pending", output <= later, shard.at(), () => `${output} is published; the injector has committed to ${later}`);
    else if (later > (this.#inputs.get(shard.participant.id)?.input ?? -1)) this.#inputs.set(shard.participant.id, { input: later, shard });
  }

  /** Which tracks there are is known from the shards; so the injectors' are looked at once more, after the tracks (Q1). */
  async #checkPromised(tracks: Authorities): Promise<void> {
    if (tracks.size === 0) return;
    for (const participant of this.#names.participants.values()) {
      for (let index = 0; participant.kind === "injector" && index < participant.shards; index++) {
        const shard = new AuditedShard(this.#names, shardRef(participant.id, index));
        const image = imageOf(shard, await this.#reader.readHead(shard.ref), this.#findings);
        if (image !== undefined) this.#tracks.checkPromised(shard, image, tracks, this.#findings);
      }
    }
  }

  #atEnd(shard: AuditedShard, there: EntryCount, { queued }: ShardHead): void {
    const left = { "records waiting": queued, "held entries": there.held, "watermark timers": there.watermark, holds: there.holds };
    for (const [name, count] of Object.entries(left))
      this.#findings.expect("watermark-pending", count === 0, shard.at(), () => `its watermark is at the end of time, and it has ${count} ${name}`);
  }

  #checkInputs(authorities: Authorities): void {
    for (const [id, { input, shard }] of this.#inputs) {
      const bound = largestBound(this.#names, shard.participant, authorities);
      if (bound === undefined || !this.#names.participants.has(id)) continue;
      this.#findings.expect(
        "watermark-upstream",
        input <= bound,
        shard.at(),
        () => `its input watermark is ${input}; those that feed it have come to ${bound}`,
      );
    }
  }
}
