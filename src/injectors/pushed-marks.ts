/**
 * Gives promises that code has pushed (`byHand().advanceWatermark`) their place among the items of a reader. It does
 * not decide when: the reader asks for them once it has handed on everything that it had got.
 */
import { isByHand } from "../watermark/by-hand.ts";
import type { WatermarkPolicy } from "../watermark/policy.ts";
import type { SourceItem } from "./injector.ts";

export class PushedMarks {
  readonly #take: () => number | undefined;
  readonly close: () => void;

  /** @param wake called when there is something to take; the reader ends its wait then. */
  constructor(policy: WatermarkPolicy, wake: () => void) {
    this.#take = isByHand(policy) ? () => policy.takePending() : () => undefined;
    this.close = isByHand(policy) ? policy.opened(wake) : () => {};
  }

  /** Appends what was pushed since the last call, as a mark at `position`. */
  append(items: SourceItem[], position: unknown): void {
    const watermark = this.#take();
    if (watermark !== undefined) items.push({ value: undefined, position, watermark, mark: true });
  }
}
