/**
 * Lag of the low watermark of each of a chain's stages behind the clock, at fixed rates: what the MillWheel paper shows in
 * its section 8.2. Records are stamped with the time at which they are due, so a watermark without any lag would be the
 * clock itself.
 */
import { benchmark } from "./harness/benchmark.ts";
import { inTurn } from "./harness/medians.ts";
import { latencyRow } from "./latency.ts";

const RATES = [1_000, 5_000];

export const watermark = benchmark({
  name: "watermark",
  about: "lag of the watermark of each of a chain's stages behind the clock",
  numbers: { rate: 0, seconds: 10, warmup: 3, keys: 10_000, hops: 3, shards: 64, look: 20 },
  tiny: { store: "memory", rate: 500, seconds: 0.3, warmup: 0.1, keys: 50, hops: 2, shards: 4 },
  run: async (given) => {
    const rates = given.rate === 0 ? RATES : [given.rate];
    const variants = rates.map((rate) => ({ ...given, rate, warmUp: given.warmup, counting: true, ids: "none" as const, lookMs: given.look }));
    return inTurn(given.runs, variants, async (each) => ({ ...(await latencyRow(each, 0)), bench: "watermark" }));
  },
});
