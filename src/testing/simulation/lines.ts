/**
 * The lines between one simulated worker and the nodes of its store: requests about different atomic domains may go to
 * different nodes, and then nothing says in what order they arrive there, and are answered.
 *
 * N1  On one line requests and answers keep their order (`connection.ts`); all about one domain is on one line.
 */
import { type Answer, Connection } from "./connection.ts";
import type { StoreEffect } from "./store-request.ts";
import type { World } from "./world.ts";

/** Nodes of a store with many domains. */
const MOST = 3;

export class Lines {
  readonly #world: World;
  readonly #domainOf: (shard: number) => number;
  readonly #lines: readonly Connection[];

  constructor(world: World, worker: string, domains: number, domainOf: (shard: number) => number) {
    this.#world = world;
    this.#domainOf = domainOf;
    this.#lines = Array.from({ length: Math.min(domains, MOST) }, () => new Connection(world, worker));
  }

  get down(): boolean {
    return this.#first.down;
  }

  send(effect: StoreEffect): void {
    (this.#lines[this.#domain(effect) % this.#lines.length] as Connection).send(effect);
  }

  /** What concerns all domains, or none, goes to the first node. */
  #domain(effect: StoreEffect): number {
    switch (effect.kind) {
      case "commit":
        return this.#domainOf(effect.commits[0]?.shard ?? 0);
      case "deliver":
        return this.#domainOf(effect.deliveries[0]?.to ?? 0);
      case "acquire":
      case "recover":
      case "read-tails":
        return this.#domainOf(effect.shards[0] ?? 0);
      default:
        return "shard" in effect ? this.#domainOf(effect.shard) : 0;
    }
  }

  get nextArrival(): number {
    let at = this.#first.nextArrival;
    for (let i = 1; i < this.#lines.length; i++) at = Math.min(at, (this.#lines[i] as Connection).nextArrival);
    return at;
  }
  get nextAnswer(): number {
    let at = this.#first.nextAnswer;
    for (let i = 1; i < this.#lines.length; i++) at = Math.min(at, (this.#lines[i] as Connection).nextAnswer);
    return at;
  }

  arrive(): void {
    this.#one((line) => line.nextArrival).arrive();
  }
  answer(): Answer {
    return this.#one((line) => line.nextAnswer).answer();
  }

  /** One of those whose time has come. */
  #one(at: (line: Connection) => number): Connection {
    const { tape, time } = this.#world;
    return this.#lines.length === 1 ? this.#first : tape.pick(this.#lines.filter((line) => at(line) <= time));
  }

  get arrived(): readonly StoreEffect[] {
    return this.#lines.flatMap((line) => line.arrived);
  }
  forget(): void {
    for (const line of this.#lines) line.forget();
  }
  get committing(): boolean {
    return this.#lines.some((line) => line.committing);
  }
  get delivering(): boolean {
    return this.#lines.some((line) => line.delivering);
  }
  get underWay(): readonly StoreEffect[] {
    return this.#lines.flatMap((line) => line.underWay);
  }

  /** All of them break. The first `applied` of what was under way still arrive; gives the others. */
  break(applied: number, downFor: number): StoreEffect[] {
    let left = applied;
    return this.#lines.flatMap((line) => {
      const mine = Math.min(left, line.underWay.length);
      left -= mine;
      return line.break(mine, downFor);
    });
  }

  /** What is under way on one of them takes longer. */
  delay(requests: boolean, by: number): void {
    const line = this.#lines.length === 1 ? this.#first : this.#world.tape.pick(this.#lines);
    line.delay(requests, by);
  }

  /** No replica confirms what is done next on any of them. */
  withhold(requests: number): void {
    for (const line of this.#lines) line.withhold(requests);
  }

  get #first(): Connection {
    return this.#lines[0] as Connection;
  }
}
