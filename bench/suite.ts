/** All benchmarks, in the order in which they are listed and in which `smoke` tries them. */
import { cache } from "./cache.ts";
import { check } from "./check.ts";
import { guarantees } from "./guarantees.ts";
import { keys } from "./keys.ts";
import { nexmark } from "./nexmark/nexmark.ts";
import { ysb } from "./ysb.ts";
import { recovery } from "./recovery.ts";
import { timers } from "./timers.ts";
import { watermark } from "./watermark-lag.ts";
import { auditing } from "./audit.ts";
import type { Benchmark } from "./harness/benchmark.ts";
import { hotKeys } from "./hot-keys.ts";
import { timeIndex } from "./time-index.ts";
import { http } from "./http.ts";
import { idle } from "./idle.ts";
import { latency } from "./latency.ts";
import { peers } from "./peers/peers.ts";
import { raw } from "./raw.ts";
import { scale } from "./scale.ts";
import { soak } from "./soak.ts";
import { throughput } from "./throughput.ts";
import { watermarkTick } from "./watermark-tick.ts";

export const SUITE: readonly Benchmark[] = [
  throughput,
  latency,
  guarantees,
  watermark,
  keys,
  cache,
  timers,
  recovery,
  nexmark,
  ysb,
  scale,
  raw,
  peers,
  auditing,
  http,
  hotKeys,
  timeIndex,
  watermarkTick,
  idle,
  soak,
  check,
];
