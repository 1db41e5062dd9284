/**
 * What the store has lost: it went back in time (a replica was promoted without the last writes, an older file restored),
 * and what it had acknowledged is gone. Owns what this worker knows of its shards beyond their ownership, the comparison
 * with what is stored, and the account of it. That all else is dropped is `Engine.loseAll`'s.
 *
 * L1  Known of a shard is the last commit that was acknowledged, or read, under this worker's sequencer: never one under way.
 * L2  After everything was dropped nothing is acquired before the store has told where its shards stand: what a loss took
 *     can be told exactly only as long as nobody commits again.
 * L3  Of a shard that is still granted as this worker had it, what is told is exact. Where another has been granted it since,
 *     commits up to where that one stands may be among the lost too, and nobody can tell.
 * L4  A loss is counted by who owned the shard. One who has handed it over tells of it too where its own commits are among
 *     what is lost: whoever has it since may not have had it yet.
 */
import { indexOf, participantOf, type ShardRef } from "../key.ts";
import type { RecoveredShard, Sequencer, ShardSummary } from "../store/index.ts";
import type { ConfirmedIds } from "./confirmed-ids.ts";
import type { Engine } from "./engine.ts";
import { type Counters, decodeImage, newImage } from "./image.ts";
import { InjectorShard } from "./injector-shard.ts";
import type { OwnedShard } from "./owned-shard.ts";

/** Losses that are remembered, and ids in one line of the log. */
const KEPT = 8;
const IDS_A_LINE = 500;

export interface LostShard {
  readonly participant: string;
  readonly shard: number;
  /** Numbers of the first and the last lost commit. */
  readonly from: number;
  readonly to: number;
  /** Records and timers whose effects they held. */
  readonly records: number;
  readonly timers: number;
  /** False: another worker had the shard meanwhile, and more may be lost (L3). */
  readonly exact: boolean;
}

/** Records that an injector had confirmed to its source, which does not give them again. */
export interface LostConfirmed {
  readonly participant: string;
  readonly ids: readonly string[];
  /** Further lost records, whose ids are not known here any more. */
  readonly others: number;
}

export interface LostTail {
  /** When it was found, by the worker's clock. */
  readonly at: number;
  readonly shards: readonly LostShard[];
  readonly confirmed: readonly LostConfirmed[];
}

interface Known {
  readonly sequencer: Sequencer;
  readonly number: number;
  readonly image: Uint8Array | undefined;
  readonly confirmed: ConfirmedIds | undefined;
}

export class LostTails {
  readonly #engine: Engine;
  /** Of shards that are not owned now, and were. */
  readonly #known = new Map<ShardRef, Known>();
  /** The shards that the store is being asked about. */
  #asked: readonly ShardRef[] | undefined = undefined;
  readonly #found: LostTail[] = [];
  /** Since the worker started: losses, commits, records by participant's name, confirmed records. */
  readonly counted = { tails: 0, commits: 0, confirmed: 0, records: new Map<string, number>() };

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The latest, the oldest first. */
  get found(): readonly LostTail[] {
    return this.#found;
  }

  /** Is it still to be learned where the store stands? Until then nothing is acquired (L2). */
  get looking(): boolean {
    return this.#asked !== undefined;
  }

  /** A shard is dropped that was worked on. */
  dropped(shard: OwnedShard): void {
    const { ref, sequencer, acknowledged: number, acknowledgedImage: image } = shard;
    this.#known.set(ref, { sequencer, number, image, confirmed: shard instanceof InjectorShard ? shard.confirmed : undefined });
  }

  /** A shard is dropped that had been read, and not been worked on yet. */
  unread({ shard, number, image }: RecoveredShard, sequencer: Sequencer): void {
    // What was known before is more where the store went back in between.
    if (number > (this.#known.get(shard)?.number ?? -1)) this.#known.set(shard, { sequencer, number, image, confirmed: undefined });
  }

  /** The shard is owned, or in other hands: who owns it knows. */
  forget(ref: ShardRef): void {
    this.#known.delete(ref);
  }

  /** Everything was dropped: asks where the shards stand. */
  look(): void {
    if (this.#known.size === 0) return;
    this.#asked = [...this.#known.keys()];
    this.#engine.effect({ kind: "read-heads", shards: this.#asked });
  }

  /** The store is not where a shard was left, though it has not said that it is another. */
  doubt({ name, ref }: OwnedShard, how: string): void {
    const where = `shard ${indexOf(ref)} left it (${how})`;
    this.#engine.logOf(name, undefined).error(`the store is not where ${where}: it lost its tail, or another program writes to it; everything is read anew`);
    this.#engine.loseAll();
  }

  /** A shard was acquired and read. True: it stands before what is known of it, so the store has gone back unnoticed. */
  wentBack({ shard, number }: RecoveredShard): boolean {
    return number < (this.#known.get(shard)?.number ?? 0);
  }

  /** The answer to `read-heads`; undefined: it failed, and is asked again. */
  onHeads(asked: readonly ShardRef[], heads: readonly ShardSummary[] | undefined): void {
    if (this.#asked !== asked) return;
    if (heads === undefined) {
      this.#engine.effect({ kind: "read-heads", shards: asked });
      return;
    }
    this.#asked = undefined;
    const shards: LostShard[] = [];
    const confirmed = new Map<string, { ids: string[]; records: number }>();
    for (const head of heads) {
      const known = this.#known.get(head.shard);
      if (known === undefined) continue;
      this.#known.set(head.shard, { ...known, number: Math.min(known.number, head.number), image: head.number < known.number ? head.image : known.image });
      if (head.number >= known.number) continue;
      const lost = this.#compare(known, head);
      shards.push(lost);
      if (this.#confirms(head.shard)) {
        const of = confirmed.get(lost.participant) ?? { ids: [], records: 0 };
        of.ids.push(...(known.confirmed?.after(head.number) ?? []));
        of.records += lost.records;
        confirmed.set(lost.participant, of);
      }
    }
    if (shards.length === 0) this.#log("info", "the store has all that this worker knew to be committed", {});
    else this.#account(shards, confirmed);
  }

  #compare(known: Known, head: ShardSummary): LostShard {
    const had = countersOf(known.image);
    const has = countersOf(head.image);
    return {
      participant: this.#engine.participant(participantOf(head.shard))?.name ?? String(participantOf(head.shard)),
      shard: indexOf(head.shard),
      from: head.number + 1,
      to: known.number,
      records: Math.max(0, had.processed - has.processed),
      timers: Math.max(0, had.timersFired - has.timersFired),
      exact: head.sequencer === known.sequencer,
    };
  }

  /** Has its source been told of what was committed, so that it will not give it again? */
  #confirms(ref: ShardRef): boolean {
    const planned = this.#engine.participant(participantOf(ref));
    return planned?.kind === "injector" && planned.node.source.confirms === true;
  }

  #account(shards: readonly LostShard[], byInjector: ReadonlyMap<string, { readonly ids: readonly string[]; readonly records: number }>): void {
    const confirmed = [...byInjector].map(([participant, { ids, records }]) => ({ participant, ids, others: Math.max(0, records - ids.length) }));
    this.#found.push({ at: this.#engine.now, shards, confirmed });
    if (this.#found.length > KEPT) this.#found.shift();
    const { counted } = this;
    let commits = 0;
    let records = 0;
    for (const lost of shards) {
      commits += lost.to - lost.from + 1;
      records += lost.records;
      counted.records.set(lost.participant, (counted.records.get(lost.participant) ?? 0) + lost.records);
    }
    const gone = confirmed.reduce((sum, { ids, others }) => sum + ids.length + others, 0);
    counted.tails++;
    counted.commits += commits;
    counted.confirmed += gone;
    const again = gone === 0 ? "" : `; ${gone} of these records had been confirmed to clients and do not come again by themselves: send them again`;
    this.#log("error", `the store has lost its last ${commits} commits, of ${shards.length} shards, with the effects of ${records} records${again}`, {
      shards,
    });
    for (const { participant, ids, others } of confirmed)
      for (let from = 0; from < ids.length || (from === 0 && others > 0); from += IDS_A_LINE)
        this.#log("error", `lost after they were confirmed: records of ${participant}`, { ids: ids.slice(from, from + IDS_A_LINE), others });
  }

  #log(level: "info" | "error", text: string, fields: object): void {
    this.#engine.effect({ kind: "log", level, text, fields: { pipeline: this.#engine.options.plan.graph.pipeline, ...fields } });
  }
}

const countersOf = (image: Uint8Array | undefined): Counters => (image === undefined ? newImage() : decodeImage(image)).counters;
