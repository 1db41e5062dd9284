/**
 * When workers of a simulation start, and in whose place. Its own book of who stands in for whom: what the engine makes of
 * their names is compared with it (`settling.ts`).
 */
import { nameIn } from "../../worker/place.ts";

interface Start {
  /** True time. */
  readonly at: number;
  /** The worker whose place it takes, by name. */
  readonly inPlaceOf: string | undefined;
}

interface Standing {
  readonly place: string;
  /** How many were started there before. */
  readonly start: number;
}

export class Starts {
  #waiting: Start[] = [];
  readonly #standings = new Map<string, Standing>();
  /** The last start in each place that has had several. */
  readonly #last = new Map<string, number>();

  /** A worker is to start. */
  push(at: number, inPlaceOf?: string): void {
    this.#waiting.push({ at, inPlaceOf });
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** True time of the next one. */
  get nextAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const start of this.#waiting) at = Math.min(at, start.at);
    return at;
  }

  /** Takes one that is to start by now; undefined: there is none. */
  take(time: number): Start | undefined {
    const index = this.#waiting.findIndex(({ at }) => at <= time);
    return index < 0 ? undefined : this.#waiting.splice(index, 1)[0];
  }

  /** The name of the worker that is the `count`-th to start. */
  name(count: number, inPlaceOf: string | undefined): string {
    const place = inPlaceOf === undefined ? `w${count}` : (this.#standings.get(inPlaceOf)?.place ?? inPlaceOf);
    const start = inPlaceOf === undefined ? 0 : (this.#last.get(place) ?? 0) + 1;
    const name = inPlaceOf === undefined ? place : nameIn({ name: place, start }, `w${count}`);
    this.#last.set(place, start);
    this.#standings.set(name, { place, start });
    return name;
  }

  /** Of workers that live, those that count: of one place the one that was started last. */
  counting(workers: readonly string[]): string[] {
    const of = (worker: string): Standing => this.#standings.get(worker) ?? { place: worker, start: 0 };
    return workers.filter((worker) => !workers.some((other) => of(other).place === of(worker).place && of(other).start > of(worker).start));
  }
}
