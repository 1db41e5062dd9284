/**
 * The conformance suite of the Store contract. A store's own test file calls `storeConformance`, and every case runs
 * on it: the same number on every store, none skipped. The cases are in `conformance/`, one file per topic.
 */
import { describe, expect, test } from "vitest";
import type { Clock } from "../../src/clock.ts";
import type { Random } from "../../src/random.ts";
import type { PipelineStore } from "../../src/store/store.ts";

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
  /** Called once, at the end: closes connections, ends processes, removes files. */
  dispose(): Promise<void>;
}

export function storeConformance(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`${name}: store conformance`, () => {
    test("the suite can be made and disposed of", async () => {
      const store = await make();
      await store.dispose();
      expect(store.clock).toMatch(/^(ours|server)$/);
    });
  });
}
