/**
 * The percentile watermarks that come into a shard with an inbox. They are values of the shard's image, so a commit that
 * fires a timer holds the value that it fired at. What a percentile watermark has passed does not hold it: neither
 * unfinished records from before it, nor what these do.
 *
 * P1  None ever falls, and none is below the low watermark.
 * P2  One rises to a bound when all that the inbox held at the moment of that bound is committed or stands aside, and not
 *     past what stands aside and was not behind it.
 * P3  None comes to the end of time before the low watermark does.
 * P4  Nothing but timers goes by them: what is late, what goes downstream and what ends is the low watermark's (R20).
 */
import { BEGINNING, END } from "../time.ts";
import type { TimeIndex } from "../time-index.ts";
import { follow, percentilesOf, type Track } from "../watermark/percentile.ts";
import type { Inbox } from "./inbox.ts";
import { PercentileOutputs } from "./percentile-outputs.ts";

interface Bound {
  readonly bound: number;
  readonly tail: number;
}

interface Rising {
  bound: number;
  /** One that waits for unfinished records, and the last one that came since. */
  waiting: Bound | undefined;
  latest: Bound | undefined;
}

interface Around {
  readonly inbox: Pick<Inbox, "consumedTo">;
  readonly inFlight: unknown;
  readonly input: number;
  /** Holds of what stands aside; undefined: nothing ever does. */
  readonly heldHolds?: Pick<TimeIndex, "boundFrom">;
}

export class ShardPercentiles {
  readonly outputs = new PercentileOutputs();
  readonly #values: Map<number, number>;
  readonly #rising = new Map<number, Rising>();

  private constructor(percentiles: readonly number[], values: Map<number, number>, low: number) {
    this.#values = values;
    follow(percentiles, values, low);
    for (const [percentile, bound] of values) this.#rising.set(percentile, { bound, waiting: undefined, latest: undefined });
  }

  /** `values`: of the shard's image, where they stay; those that no one follows any more leave it. `low`: its low watermark. */
  static of(tracks: readonly Track[], values: Map<number, number>, low: number): ShardPercentiles | undefined {
    const percentiles = percentilesOf(tracks);
    if (percentiles.length > 0) return new ShardPercentiles(percentiles, values, low);
    values.clear();
    return undefined;
  }

  /** BEGINNING for one that the participant does not follow. */
  value(percentile: number): number {
    return this.#values.get(percentile) ?? BEGINNING;
  }

  /** The upstream allows `bound`, provided that everything before `tail` is done. */
  learn(percentile: number, bound: number, tail: number): void {
    const rising = this.#rising.get(percentile);
    if (rising === undefined || bound <= rising.bound) return;
    rising.latest = { bound, tail };
    rising.waiting ??= rising.latest;
  }

  /** Raises all as far as they may rise; `low` is where the low watermark may rise to. Has any risen? */
  advance({ inbox, inFlight, input, heldHolds }: Around, low: number): boolean {
    let risen = false;
    for (const [percentile, rising] of this.#rising) {
      while (rising.waiting !== undefined && inFlight === undefined && inbox.consumedTo(rising.waiting.tail)) {
        rising.bound = Math.max(rising.bound, rising.waiting.bound);
        rising.waiting = rising.latest === rising.waiting ? undefined : rising.latest;
        if (rising.waiting === undefined) rising.latest = undefined;
      }
      const before = this.value(percentile);
      const own = Math.min(rising.bound, heldHolds?.boundFrom(before) ?? END);
      const value = Math.max(input, low, own === END ? BEGINNING : own);
      if (value <= before) continue;
      this.#values.set(percentile, value);
      risen = true;
    }
    return risen;
  }

  /** What the commit of this number, and all before it, leave to be published; `allowed` is what they leave to hold it. */
  note(number: number, allowed: (percentile: number) => number): void {
    const values = new Map<number, number>();
    for (const [percentile, value] of this.#values) values.set(percentile, Math.min(value, allowed(percentile)));
    this.outputs.add(number, values);
  }
}
