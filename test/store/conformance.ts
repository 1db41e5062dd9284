/**
 * The conformance suite of the Store contract. A store's own test file calls `storeConformance`, and every case runs
 * on it: the same number on every store, none skipped. The cases are in `conformance/`, one file per topic.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Clock } from "../../src/clock.ts";
import type { Random } from "../../src/random.ts";
import type { StoreReader } from "../../src/store/reader.ts";
import type { PipelineStore } from "../../src/store/store.ts";
import { aside } from "./conformance/aside.ts";
import { Bench, type Define } from "./conformance/bench.ts";
import { chains } from "./conformance/chains.ts";
import { channels } from "./conformance/channels.ts";
import { commitOutcomes } from "./conformance/commit-outcomes.ts";
import { consumption } from "./conformance/consumption.ts";
import { graph } from "./conformance/graph.ts";
import { inbox } from "./conformance/inbox.ts";
import { model } from "./conformance/model.ts";
import { names } from "./conformance/names.ts";
import { ownership } from "./conformance/ownership.ts";
import { readingFromOutside } from "./conformance/reading.ts";
import { reopening } from "./conformance/reopening.ts";
import { state } from "./conformance/state.ts";
import { timers } from "./conformance/timers.ts";
import { tracks } from "./conformance/tracks.ts";
import { watermarks } from "./conformance/watermarks.ts";
import { workers } from "./conformance/workers.ts";

/** A store as the suite drives it. `make` is called once per suite; cases keep apart by the names of their pipelines. */
export interface StoreUnderTest {
  /** Whose clock decides leases and gives `now`: the one given to `open`, or the server's (cases then wait for it). */
  readonly clock: "ours" | "server";
  /** Opens a pipeline, whose name is 1 to 64 of [a-z0-9-]. The suite closes what it opened. */
  open(pipeline: string, clock: Clock, random: Random): Promise<PipelineStore>;
  /**
   * Opens a pipeline again as a restarted process would. Called after the first one was closed; what was committed
   * (and for durable stores: flushed) must be there.
   */
  reopen(pipeline: string, clock: Clock, random: Random): Promise<PipelineStore>;
  /** Names of its pipelines, and a look at one from outside, also while it is open. The suite closes what it opened. */
  pipelines(): Promise<readonly string[]>;
  read(pipeline: string): Promise<StoreReader>;
  /** Called once, at the end: closes connections, ends processes, removes files. */
  dispose(): Promise<void>;
}

/** Fewer than this, and a topic got lost. */
const CASES_AT_LEAST = 150;

const TOPICS: readonly ((define: Define) => void)[] = [
  commitOutcomes,
  chains,
  consumption,
  inbox,
  state,
  timers,
  names,
  aside,
  workers,
  ownership,
  channels,
  watermarks,
  tracks,
  graph,
  reopening,
  readingFromOutside,
  model,
];

export function storeConformance(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`${name}: store conformance`, () => {
    let under: StoreUnderTest;
    let cases = 0;
    let passed = 0;

    beforeAll(async () => {
      under = await make();
    });
    afterAll(async () => {
      await under.dispose();
    });

    const define: Define = (claim, run) => {
      cases += 1;
      test(claim, async () => {
        const bench = new Bench(under);
        try {
          await bench.open();
          await run(bench);
        } finally {
          await bench.close();
        }
        passed += 1;
      });
    };
    for (const topic of TOPICS) topic(define);

    test(`${name} passes all ${cases} conformance cases, none skipped`, () => {
      console.log(`${name}: ${passed} of ${cases} conformance cases`);
      expect(cases).toBeGreaterThanOrEqual(CASES_AT_LEAST);
      expect(passed).toBe(cases);
    });
  });
}
