/** All benchmarks, in the order in which they are listed and in which `smoke` tries them. */
import { auditing } from "./audit.ts";
import type { Benchmark } from "./harness/benchmark.ts";
import { hotKeys } from "./hot-keys.ts";
import { http } from "./http.ts";
import { latency } from "./latency.ts";
import { raw } from "./raw.ts";
import { throughput } from "./throughput.ts";
import { watermarkTick } from "./watermark-tick.ts";

export const SUITE: readonly Benchmark[] = [throughput, latency, raw, auditing, http, hotKeys, watermarkTick];
