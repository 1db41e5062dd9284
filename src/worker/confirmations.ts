/**
 * Which fates of an injector's items its reader is told: of those that this reader gave, in their order. What an earlier
 * reader of the shard had given is still injected after it was opened again, and told to nobody.
 */
import type { ItemFate, SourceItem } from "../injectors/injector.ts";

export class Confirmations {
  /** Items that were pulled and whose fates are still to come, and how many of them an earlier reader gave. */
  #untold = 0;
  #foreign = 0;

  pulled(items: readonly SourceItem[]): void {
    for (const { mark } of items) if (mark !== true) this.#untold += 1;
  }

  /** The reader is another from now on. */
  reopened(): void {
    this.#foreign = this.#untold;
  }

  /** What of these the reader is to be told. */
  told(fates: readonly ItemFate[]): readonly ItemFate[] {
    const foreign = Math.min(this.#foreign, fates.length);
    this.#foreign -= foreign;
    this.#untold -= fates.length;
    return foreign === 0 ? fates : fates.slice(foreign);
  }
}
