/**
 * The line between one simulated worker and the store, and what is on its way there and back.
 *
 * C1  Requests reach the store in the order in which they were sent, and answers come back in the order of the requests.
 * C2  When the line breaks, everything under way is answered with "nothing is known"; what was sent may still arrive.
 */
import type { StoreEffect } from "./store-request.ts";
import type { World } from "./world.ts";

interface Request {
  readonly effect: StoreEffect;
  readonly from: number;
}

export interface Answer {
  readonly effect: StoreEffect;
  /** undefined: nothing is known. */
  readonly value: unknown;
  readonly from: number;
}

/** ms after which the engine is told that the store did not answer, as `worker/driver.ts` has it. */
const PAUSE = 20;
/** Requests of the past that may arrive again, and of what kinds. */
const ARRIVED = 4;
/** What is answered only once replicas have it, or what it has seen. */
export const CONFIRMED: ReadonlySet<StoreEffect["kind"]> = new Set<StoreEffect["kind"]>(["commit", "recover", "read-inbox"]);
/** Of these, what may be carried out without being confirmed in time. */
const WITHHELD: ReadonlySet<StoreEffect["kind"]> = new Set<StoreEffect["kind"]>(["commit", "read-inbox"]);
const REPEATED: ReadonlySet<StoreEffect["kind"]> = new Set<StoreEffect["kind"]>(["commit", "deliver", "report", "announce"]);

export class Connection {
  readonly #world: World;
  readonly #worker: string;
  #requests: Request[] = [];
  /** Those that arrived last. */
  #arrived: StoreEffect[] = [];
  #answers: Answer[] = [];
  /** Requests that will be carried out and not confirmed. */
  #withheld = 0;
  /** Until then there is none. */
  #downUntil = 0;

  constructor(world: World, worker: string) {
    this.#world = world;
    this.#worker = worker;
  }

  get down(): boolean {
    return this.#downUntil > this.#world.time;
  }

  send(effect: StoreEffect): void {
    const { time } = this.#world;
    if (this.down) this.#answers.push({ effect, value: undefined, from: time + PAUSE });
    else this.#requests.push({ effect, from: time + this.#takes() });
  }

  #takes(): number {
    const { tape, latency } = this.#world;
    return latency > 0 ? tape.choose(latency) : 0;
  }

  /** True times at which the next request can arrive and the next answer be told. */
  get nextArrival(): number {
    return this.#requests[0]?.from ?? Number.POSITIVE_INFINITY;
  }
  get nextAnswer(): number {
    return this.#answers[0]?.from ?? Number.POSITIVE_INFINITY;
  }

  /** The next request reaches the store. */
  arrive(): void {
    const { effect } = this.#requests.shift() as Request;
    if (REPEATED.has(effect.kind)) this.#arrived = [effect, ...this.#arrived.slice(0, ARRIVED - 1)];
    const value = this.#world.apply(this.#worker, effect);
    if (this.#isWithheld(effect)) {
      this.#world.trace.saw(`unconfirmed ${effect.kind}`);
      this.#answers.push({ effect, value: undefined, from: this.#world.time + PAUSE });
    } else this.#answers.push({ effect, value, from: this.#world.time + this.#takes() });
    this.#world.arrived(effect, value, this.#worker);
  }

  #isWithheld({ kind }: StoreEffect): boolean {
    const { faulty, doubtful, tape } = this.#world;
    if (!faulty || !WITHHELD.has(kind)) return false;
    if (this.#withheld > 0) return this.#withheld-- > 0;
    return doubtful > 0 && kind === "commit" && tape.chance(doubtful);
  }

  /** So many of the next requests that replicas have to confirm are carried out and not confirmed. */
  withhold(count: number): void {
    this.#withheld = count;
  }

  /** The next answer, taken. */
  answer(): Answer {
    return this.#answers.shift() as Answer;
  }

  /** Requests that have arrived, and may again; the last one first. */
  get arrived(): readonly StoreEffect[] {
    return this.#arrived;
  }

  /** The store is another: nothing that went to the one before can come to this one. */
  forget(): void {
    this.#arrived = [];
  }

  /** Is a commit on its way to the store, or its answer on its way back? */
  get committing(): boolean {
    return this.#requests.some(({ effect }) => effect.kind === "commit") || this.#answers.some(({ effect }) => effect.kind === "commit");
  }

  /** Is something on its way to another domain, or the answer back? */
  get delivering(): boolean {
    return this.#requests.some(({ effect }) => effect.kind === "deliver") || this.#answers.some(({ effect }) => effect.kind === "deliver");
  }

  /** Requests that have been sent and have not arrived. */
  get underWay(): readonly StoreEffect[] {
    return this.#requests.map(({ effect }) => effect);
  }

  /** Breaks, for some time. The first `applied` of what was under way still arrive; gives the others. */
  break(applied: number, downFor: number): StoreEffect[] {
    const { time } = this.#world;
    const lost: StoreEffect[] = [];
    this.underWay.forEach((effect, i) => {
      if (i < applied) this.#world.apply(this.#worker, effect);
      else lost.push(effect);
    });
    this.#answers = [...this.#answers, ...this.#requests].map(({ effect }) => ({ effect, value: undefined, from: time + PAUSE }));
    this.#requests = [];
    this.#downUntil = time + downFor;
    return lost;
  }

  /** What is under way to the store, or back, takes longer by this. */
  delay(requests: boolean, by: number): void {
    const from = this.#world.time + by;
    if (requests) this.#requests = this.#requests.map((request) => ({ ...request, from }));
    else this.#answers = this.#answers.map((answer) => ({ ...answer, from }));
  }
}
