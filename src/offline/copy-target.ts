/**
 * Where contents are written to: a store that has nothing of the pipeline yet, or a part of this very copy. All that is
 * written goes through commits, each of which says how far it is, so whoever comes after a kill goes on there.
 *
 * T1  Until `finish` the stored graph has a format that every worker refuses.
 * T2  What is not a parcel is written under its name, so that writing it again changes nothing. A parcel is appended by
 *     the commit that says so (`copy-progress.ts`), once.
 * T3  Sequencers of the target are above all of the source, so that no record gets an id that another had.
 */
import type { Clock } from "../clock.ts";
import { StoreRefusedError } from "../errors.ts";
import { HASH_NAME, indexOf, participantOf, shardRef, type ShardRef } from "../key.ts";
import type { Random } from "../random.ts";
import type { PipelineStore, ShardSummary } from "../store/store.ts";
import { DATA_FORMAT, type StoredGraph, type StoredParticipant, UNFINISHED_FORMAT } from "../store/stored-graph.ts";
import { BEGINNING } from "../time.ts";
import { encodeImage, newImage } from "../worker/image.ts";
import type { Contents, HeadPiece, Piece } from "./contents.ts";
import { type CopyProgress, decodeProgress, encodeProgress } from "./copy-progress.ts";
import { mergedImages } from "./merged-image.ts";
import { Placing } from "./placing.ts";
import { COMMAND, partsOf, type ShardChange, StoppedPipeline } from "./stopped-pipeline.ts";

/** ms by which the target's clock may be behind that of the source: so long it is waited for. */
const BEHIND = 60_000;

export interface TargetOptions {
  readonly store: PipelineStore;
  readonly contents: Contents;
  /** Shards of each computation from now on. */
  readonly shards: number;
  readonly command: string;
  readonly clock: Clock;
  readonly random: Random;
}

export class CopyTarget {
  readonly stopped: StoppedPipeline;
  /** It goes on with what an earlier one has begun. */
  readonly resumed: boolean;
  readonly #contents: Contents;
  readonly #progress = new Map<ShardRef, CopyProgress>();
  readonly #complete = new Set<number>();
  readonly #resumeAt = new Map<number, ShardRef>();
  #monotonic = 0;

  private constructor(stopped: StoppedPipeline, contents: Contents, resumed: boolean) {
    this.stopped = stopped;
    this.resumed = resumed;
    this.#contents = contents;
  }

  /** Marks the target, or finds its own mark; else a `StoreRefusedError`, and nothing is changed. */
  static async open({ store, contents, shards, command, clock, random }: TargetOptions): Promise<CopyTarget> {
    const unfinished = { command, from: contents.description, fingerprint: contents.fingerprint };
    const graph: StoredGraph = { ...regrouped(contents.graph, shards), format: UNFINISHED_FORMAT, version: 1, unfinished };
    const stored = await store.readGraph();
    if (stored !== undefined && stored.format !== UNFINISHED_FORMAT)
      throw new StoreRefusedError(`${store.description} has pipeline "${graph.pipeline}" already: give another store, or delete its data there first`);
    if (stored !== undefined && (stored.unfinished?.fingerprint !== contents.fingerprint || stored.shards !== shards))
      throw new StoreRefusedError(
        `${store.description} has the unfinished ${stored.unfinished?.command ?? "copy"} of other data (from ${stored.unfinished?.from ?? "elsewhere"}, to ${stored.shards} shards): delete the data of pipeline "${graph.pipeline}" there first`,
      );
    if (stored === undefined && (await store.init(graph, undefined)) !== "stored")
      throw new StoreRefusedError(`${store.description} was given pipeline "${graph.pipeline}" by another process meanwhile: stop that one`);
    const stopped = await StoppedPipeline.take(store, stored ?? graph, clock, random);
    const target = new CopyTarget(stopped, contents, stored !== undefined);
    await target.#learnProgress();
    return target;
  }

  async #learnProgress(): Promise<void> {
    for (const participant of this.stopped.graph.participants) {
      for (const { shard, image } of await this.#summaries(participant)) {
        if (image === undefined) continue;
        const progress = decodeProgress(image);
        if (progress === undefined) {
          this.#complete.add(participant.id);
          continue;
        }
        this.#progress.set(shard, progress);
        this.#resumeAt.set(participant.id, Math.max(progress.source, this.#resumeAt.get(participant.id) ?? 0));
      }
    }
  }

  async #summaries({ id, shards }: StoredParticipant): Promise<ShardSummary[]> {
    const refs = Array.from({ length: shards }, (_, index) => shardRef(id, index));
    const summaries: ShardSummary[] = [];
    for (const part of partsOf(refs)) summaries.push(...(await this.stopped.store.summarize(part)));
    return summaries;
  }

  /** Everything, but for what is here already. `tell` is called after each participant. */
  async write(tell: (participant: StoredParticipant) => void): Promise<void> {
    let heads: HeadPiece[] = [];
    let placing: Placing | undefined;
    const end = async () => {
      const [head] = heads;
      if (head !== undefined) await this.#end(participantOf(head.shard), heads, tell);
    };
    for await (const piece of this.#contents.pieces((shard) => this.#wants(shard))) {
      if (piece.kind === "shard") {
        if (heads[0] === undefined || participantOf(heads[0].shard) !== participantOf(piece.shard)) {
          await end();
          heads = [];
          placing = this.placing(participantOf(piece.shard));
        }
        heads.push(piece);
        placing?.begin(piece);
        this.#monotonic = Math.max(this.#monotonic, piece.monotonic);
      } else if (placing !== undefined) await this.#put(piece, placing);
    }
    await end();
    // Watermarks are no commits: an embedded store keeps them for its next write.
    await this.stopped.store.flushed();
  }

  placing(participant: number): Placing {
    const find = (graph: StoredGraph) => graph.participants.find(({ id }) => id === participant) as StoredParticipant;
    return new Placing(find(this.#contents.graph), find(this.stopped.graph).shards);
  }

  #wants(shard: ShardRef): boolean {
    return !this.#complete.has(participantOf(shard)) && shard >= (this.#resumeAt.get(participantOf(shard)) ?? 0);
  }

  async #put(piece: Exclude<Piece, HeadPiece>, placing: Placing): Promise<void> {
    const { shard } = piece;
    const changes = new Changes();
    switch (piece.kind) {
      case "state":
        for (const entry of piece.entries) {
          const change = changes.of(placing.ofState(shard, entry));
          change.stateFields.push(entry.name);
          change.stateValues.push(entry.bytes);
        }
        break;
      case "held":
      case "dead":
        for (const entry of piece.entries) {
          const [target, id] = piece.kind === "held" ? placing.ofHeld(shard, entry) : placing.ofDead(shard, entry);
          changes.of(target)[piece.kind === "held" ? "heldPuts" : "deadPuts"].push({ id, bytes: entry.bytes });
        }
        break;
      case "inbox":
        return await this.#append(piece, placing);
      default:
        for (const { member, time } of piece.entries) {
          const change = changes.of(placing.ofTime(shard, piece.kind, member));
          if (piece.kind === "ids") change.ids.push({ id: member, timestamp: time });
          else if (piece.kind === "holds") change.holdSets.push({ member, time });
          else change.timerSets.push({ clock: piece.kind, member, time });
        }
    }
    await this.#commit(changes, shard);
  }

  async #append(piece: Piece & { kind: "inbox" }, placing: Placing): Promise<void> {
    const changes = new Changes();
    piece.parcels.forEach((parcel, i) => {
      for (const append of placing.ofParcel(piece.shard, parcel, i === 0 ? piece.offset : 0)) {
        const there = this.#progress.get(append.target);
        if (there?.source !== piece.shard || there.position <= piece.from + i) changes.of(append.target).parcels.push(append);
      }
    });
    await this.#commit(changes, piece.shard, piece.from + piece.parcels.length);
  }

  async #commit(changes: Changes, source: ShardRef, position?: number): Promise<void> {
    const list: ShardChange[] = [];
    for (const [shard, change] of changes.all) {
      const there = this.#progress.get(shard);
      const progress = { source, position: position ?? (there?.source === source ? there.position : 0) };
      this.#progress.set(shard, progress);
      list.push({ ...change, shard, image: encodeProgress(progress) });
    }
    await this.stopped.commit(list);
  }

  /** All of a participant is here: its images and its watermark follow. */
  async #end(id: number, heads: readonly HeadPiece[], tell: (participant: StoredParticipant) => void): Promise<void> {
    const participant = this.stopped.graph.participants.find((each) => each.id === id) as StoredParticipant;
    const summaries = await this.#summaries(participant);
    const published = this.#contents.watermarks.get(id) ?? { output: BEGINNING, status: "live", last: BEGINNING };
    const images = this.#images(heads, summaries, published.output);
    const missing = summaries.flatMap(({ shard, image }): ShardChange[] => {
      const final = images[indexOf(shard)];
      const isThere = image !== undefined && decodeProgress(image) === undefined;
      return isThere || final === undefined ? [] : [{ shard, image: final }];
    });
    await this.stopped.commit(missing);
    if (published.output !== BEGINNING || published.status !== "live") {
      const shards = summaries.map(({ shard }) => indexOf(shard));
      const [registration] = await this.stopped.store.register(COMMAND, [{ participant: id, shards, of: shards.length }]);
      await this.stopped.store.report(COMMAND, [{ participant: id, generation: registration?.generation ?? 0, number: 1, ...published }]);
    }
    tell(participant);
  }

  /** undefined: the shard never had one, and has nothing. */
  #images(heads: readonly HeadPiece[], summaries: readonly ShardSummary[], published: number): (Uint8Array | undefined)[] {
    if (heads.length === summaries.length)
      return heads.map(({ image }, index) => image ?? (summaries[index]?.image === undefined ? undefined : encodeImage(newImage())));
    const dead = summaries.map((summary) => summary.dead);
    const images = mergedImages(heads, dead, published);
    const begun = heads.some(({ image }) => image !== undefined);
    return images.map((image, index) => (begun || summaries[index]?.image !== undefined ? image : undefined));
  }

  /** From here on it is a pipeline like any other. */
  async finish(): Promise<void> {
    const { store, graph } = this.stopped;
    await this.stopped.outrun(this.#monotonic, BEHIND);
    const { unfinished: _, ...rest } = graph;
    if ((await store.init({ ...rest, format: DATA_FORMAT, version: graph.version + 1 }, graph.version)) !== "stored")
      throw new StoreRefusedError(`another process has changed pipeline "${graph.pipeline}" in ${store.description} meanwhile: stop it`);
    await store.flushed();
  }
}

type Lists = { [Name in keyof Omit<Required<ShardChange>, "shard" | "image">]: Required<ShardChange>[Name][number][] };

/** What one piece changes, by shard. */
class Changes {
  readonly all = new Map<ShardRef, Lists>();

  of(shard: ShardRef): Lists {
    let lists = this.all.get(shard);
    if (lists === undefined)
      this.all.set(shard, (lists = { stateFields: [], stateValues: [], timerSets: [], holdSets: [], heldPuts: [], deadPuts: [], ids: [], parcels: [] }));
    return lists;
  }
}

/** The graph with another number of shards. */
function regrouped(graph: StoredGraph, shards: number): StoredGraph {
  if (graph.hash !== HASH_NAME)
    throw new StoreRefusedError(`the data of pipeline "${graph.pipeline}" was placed by the hash ${graph.hash}, this Millrace uses ${HASH_NAME}`);
  const { unfinished: _, shardsBefore, participants, retired, ...rest } = graph;
  const most = Math.max(graph.shards, shardsBefore ?? 0);
  const regroupedParticipants = participants.map((each) => (each.kind === "computation" ? { ...each, shards } : each));
  return {
    ...rest,
    shards,
    participants: regroupedParticipants,
    ...(most > shards ? { shardsBefore: most } : {}),
    ...(retired === undefined ? {} : { retired }),
  };
}
