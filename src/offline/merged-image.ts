/**
 * The images of a computation's shards after they were given another number. Pure.
 *
 * M1  Counters keep their sums. No shard has fewer dead letters counted than it has.
 * M2  The input watermark is the least that any shard had: what waits was not late there, and is not late here. So are
 *     percentile watermarks, which are nowhere behind it.
 * M3  What one of them has not swept is swept again.
 */
import { BEGINNING } from "../time.ts";
import { decodeImage, encodeImage, newImage, type ShardImage } from "../worker/image.ts";
import type { HeadPiece } from "./contents.ts";

/**
 * Of each of `dead.length` shards, which have so many dead letters. `published`: the output watermark in force, which no
 * shard's input is below.
 */
export function mergedImages(heads: readonly HeadPiece[], dead: readonly number[], published: number): Uint8Array[] {
  const before = heads.map(({ image }) => (image === undefined ? undefined : decodeImage(image)));
  const known = before.filter((image) => image !== undefined);
  const base = newImage();
  base.input = Math.min(...before.map((image) => Math.max(image?.input ?? published, published)));
  base.wallTime = Math.max(0, ...known.map(({ wallTime }) => wallTime));
  base.last = Math.max(base.last, ...known.map(({ last }) => last));
  base.swept = known.length === 0 ? 0 : Math.min(...known.map(({ swept }) => swept));
  for (const [percentile, watermark] of known[0]?.percentiles ?? [])
    base.percentiles.set(percentile, Math.max(base.input, Math.min(watermark, ...before.map((image) => image?.percentiles.get(percentile) ?? BEGINNING))));
  base.nextHeld = 1 + heads.reduce((sum, { held }) => sum + held.length, 0);
  base.nextDead = 1 + heads.reduce((sum, { dead: ids }) => sum + ids.length, 0);
  const surplus = known.reduce((sum, { counters }) => sum + counters.deadLetters, 0) - dead.reduce((sum, count) => sum + count, 0);
  return dead.map((count, index) => {
    const counters = summed(known.filter((_, i) => i % dead.length === index));
    counters.deadLetters = count + (index === 0 ? Math.max(surplus, 0) : 0);
    return encodeImage({ ...base, counters });
  });
}

export function summed(images: readonly ShardImage[]): ShardImage["counters"] {
  const { counters } = newImage();
  for (const image of images) for (const name of Object.keys(counters) as (keyof typeof counters)[]) counters[name] += image.counters[name];
  return counters;
}
