/**
 * The percentile watermarks of a computation's shard, where it follows any: what its commits leave of them for those
 * downstream.
 *
 * W1  What came behind the value that is published of the computation holds nothing: neither its timers nor its holds.
 */
import type { Commit } from "../store/index.ts";
import { trackOf } from "../watermark/percentile.ts";
import { ComputationSwept } from "./computation-swept.ts";

export abstract class ComputationPercentiles extends ComputationSwept {
  override seal(): Commit {
    const commit = super.seal();
    this.#note();
    return commit;
  }

  override percentileOutput(percentile: number): number {
    if (this.percentiles === undefined) return this.output;
    if (this.open.empty && this.inFlight === undefined) this.#note();
    return Math.max(this.output, this.percentiles.outputs.value(percentile, this.acknowledged, this.outbox));
  }

  #note(): void {
    this.percentiles?.note(this.number, (percentile) => {
      const from = this.host.reporter.published(trackOf(this.participant, percentile)).output;
      return Math.min(this.watermark.boundFrom(percentile, from), this.holds.boundFrom(from), this.heldHolds.boundFrom(from));
    });
  }
}
