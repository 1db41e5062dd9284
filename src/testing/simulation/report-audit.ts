/**
 * The part of the auditor that looks at what is in force for shards that change hands: its own account of what was last
 * reported of each, which the authority keeps by workers.
 *
 * A14 An owner's input is at no time below what was in force for its shard when it registered it: what is published may rise
 *     to that at any moment, and others go by it.
 */
import { indexOf, type ShardRef, shardRef } from "../../key.ts";
import type { Interval, WatermarkReport } from "../../store/store.ts";
import { BEGINNING, END } from "../../time.ts";
import type { Plan } from "../../worker/plan.ts";
import { name } from "./store-request.ts";
import { check } from "./violation.ts";

interface Standing {
  /** Whose reports speak for it. */
  readonly speaker: string | undefined;
  /** What was last reported of those that are reported together with it. */
  readonly reported: number;
}

const UNREGISTERED: Standing = { speaker: undefined, reported: BEGINNING };

export class ReportAudit {
  /** Shards of each participant but the injectors. */
  readonly #shards: ReadonlyMap<number, readonly ShardRef[]>;
  readonly #standings: Map<ShardRef, Standing>;
  readonly #owners: Map<ShardRef, string>;
  /** The least that was in force when the owner registered the shard. */
  readonly #floors: Map<ShardRef, number>;
  /** Of each worker and participant, the number of the last report that was taken: what it has overtaken changes nothing, here and in the store (A7). */
  readonly #newest: Map<string, number>;

  private constructor(
    shards: ReadonlyMap<number, readonly ShardRef[]>,
    standings: ReadonlyMap<ShardRef, Standing>,
    owners: ReadonlyMap<ShardRef, string>,
    floors: ReadonlyMap<ShardRef, number>,
    newest: ReadonlyMap<string, number>,
  ) {
    this.#shards = shards;
    this.#standings = new Map(standings);
    this.#owners = new Map(owners);
    this.#floors = new Map(floors);
    this.#newest = new Map(newest);
  }

  static of({ participants }: Plan): ReportAudit {
    const shards = participants
      .filter(({ kind }) => kind !== "injector")
      .map((each) => [each.id, Array.from({ length: each.shards }, (_, index) => shardRef(each.id, index))] as const);
    return new ReportAudit(new Map(shards), new Map(), new Map(), new Map(), new Map());
  }

  copy(): ReportAudit {
    return new ReportAudit(this.#shards, this.#standings, this.#owners, this.#floors, this.#newest);
  }

  granted(shard: ShardRef, worker: string): void {
    this.#owners.set(shard, worker);
    this.#floors.delete(shard);
  }

  registered(worker: string, intervals: readonly Interval[]): void {
    for (const { participant, shards } of intervals) {
      const all = this.#shards.get(participant) ?? [];
      const listed = all.filter((shard) => shards.includes(indexOf(shard)));
      const own = all.filter((shard) => this.#of(shard).speaker === worker);
      const givenUp = own.filter((shard) => !listed.includes(shard));
      const unowned = all.filter((shard) => this.#of(shard).speaker === undefined);
      const reported = this.#leastOf([...listed, ...own]);
      // What nobody speaks for is together too, with what some of it was reported under before it was taken.
      const least = this.#leastOf([...unowned, ...givenUp]);
      for (const shard of [...unowned, ...givenUp]) this.#standings.set(shard, { speaker: undefined, reported: least });
      for (const shard of listed) {
        this.#standings.set(shard, { speaker: worker, reported });
        if (this.#owners.get(shard) === worker) this.#floors.set(shard, Math.min(reported, this.#floors.get(shard) ?? END));
      }
    }
  }

  /** The worker's report of a participant has not been refused. Says whether a later one of it had come before. */
  reported(worker: string, { participant, number, output }: WatermarkReport): "news" | "overtaken" {
    const reporter = `${worker} ${participant}`;
    if (number <= (this.#newest.get(reporter) ?? -1)) return "overtaken";
    this.#newest.set(reporter, number);
    for (const shard of this.#shards.get(participant) ?? []) {
      const { speaker, reported } = this.#of(shard);
      if (speaker === worker && output > reported) this.#standings.set(shard, { speaker, reported: output });
    }
    return "news";
  }

  /** A worker's shards stand at these inputs. */
  checkInputs(worker: string, shards: Iterable<{ readonly ref: ShardRef; readonly input: number }>): void {
    for (const { ref, input } of shards) {
      const floor = this.#owners.get(ref) === worker ? this.#floors.get(ref) : undefined;
      check(floor === undefined || input >= floor, "A14 starts below", () => `${name(ref)} stands at ${input}; when it was registered ${floor} was in force`);
    }
  }

  #leastOf(shards: readonly ShardRef[]): number {
    return shards.reduce((least, shard) => Math.min(least, this.#of(shard).reported), END);
  }

  #of(shard: ShardRef): Standing {
    return this.#standings.get(shard) ?? UNREGISTERED;
  }
}
