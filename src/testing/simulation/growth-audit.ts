/**
 * Watches a graph that grows in the midst of a run by a computation that reads a stream which another reads already.
 *
 * A12  From the commit on that is the first under the new graph, the new consumer is given what the other consumer of
 *      the stream is given, by the same commit, and before it nothing. It does all of that, once.
 */
import { openValueAt } from "../../computation/envelope.ts";
import { participantOf } from "../../key.ts";
import type { Commit } from "../../store/commit.ts";
import { unpackParcel } from "../../worker/parcel.ts";
import type { Plan, PlannedInput } from "../../worker/plan.ts";
import { name } from "./store-request.ts";
import { check, Violation } from "./violation.ts";

/** What a run grows by. */
export interface Growth {
  /** The grown graph. */
  readonly plan: Plan;
  /** Step from which on it is what starts. */
  readonly at: number;
  /** Names of the new consumer of a stream, and of one that there was. */
  readonly added: string;
  readonly reference: string;
  /** The stream that both read. */
  readonly stream: string;
  /** How items are told apart. */
  readonly idOf: (value: unknown) => string;
}

export class GrowthAudit {
  readonly #growth: Growth;
  readonly #added: PlannedInput;
  readonly #reference: PlannedInput;
  /** What each commit has given to the new consumer: by shard and number, the latest of that number. */
  readonly #given = new Map<number, Map<number, readonly string[]>>();

  constructor(growth: Growth) {
    this.#growth = growth;
    this.#added = this.#inputOf(growth.added);
    this.#reference = this.#inputOf(growth.reference);
  }

  #inputOf(consumer: string): PlannedInput {
    const planned = this.#growth.plan.participants.find((each) => each.name === consumer);
    const inputs = planned?.kind === "computation" ? planned.inputs : planned?.kind === "sink" ? [planned.input] : [];
    const found = inputs.find(({ node }) => node.stream === this.#growth.stream);
    if (found === undefined) throw new RangeError(`${consumer} does not read ${this.#growth.stream}`);
    return found;
  }

  /** A commit has been applied, under a graph of this version. */
  committed(commit: Commit, version: number | undefined): void {
    const given = this.#idsIn(commit, this.#added);
    const wanted = version === this.#growth.plan.version ? this.#idsIn(commit, this.#reference) : [];
    check(
      given.join() === wanted.join(),
      "A12 not given",
      () => `${name(commit.shard)}#${commit.number} gives ${this.#growth.added} ${given.length} records under graph ${version}, where ${wanted.length} are due`,
    );
    let ofShard = this.#given.get(commit.shard);
    if (ofShard === undefined) this.#given.set(commit.shard, (ofShard = new Map()));
    ofShard.set(commit.number, given);
  }

  #idsIn({ parcels, handed, outbox }: Commit, { id, codec }: PlannedInput): string[] {
    const ids: string[] = [];
    for (const { bytes } of [...parcels, ...handed, ...outbox]) {
      if (bytes.length === 0) continue;
      unpackParcel(bytes, (record) => {
        // A refusal is a reason, not a value.
        if (record.input === id && !record.refused) ids.push(this.#growth.idOf(openValueAt(codec, record.bytes, record.from, record.to)));
      });
    }
    return ids.sort();
  }

  /** What a participant has given it in all, where its shards stand at these numbers. */
  givenBy(participant: number, numberOf: (shard: number) => number): string[] {
    return this.#all(numberOf, (shard) => participantOf(shard) === participant);
  }

  #all(numberOf: (shard: number) => number, counts: (shard: number) => boolean = () => true): string[] {
    const given: string[] = [];
    for (const [shard, commits] of this.#given) if (counts(shard)) for (const [number, ids] of commits) if (number <= numberOf(shard)) given.push(...ids);
    return given.sort();
  }

  /** At the end: what came out of the new consumer, where shards stand at these numbers. */
  drained(results: readonly string[], numberOf: (shard: number) => number): void {
    const given = this.#all(numberOf);
    if (given.join() !== [...results].sort().join())
      throw new Violation(
        "A12 not done",
        `${this.#growth.added} was given ${given.length} records and has done ${results.length}: ${given.join()} / ${results.join()}`,
      );
  }
}
