/**
 * What became of an injector's items, for a source that wants to be told: gathered with the batch, sealed with its commit,
 * told when that is acknowledged. A reader is told of the items that it gave, in their order; what an earlier reader of the
 * shard had given is still injected after the source was opened again, and told to nobody.
 */
import type { ItemFate, SourceItem } from "../injectors/injector.ts";
import { ConfirmedIds } from "./confirmed-ids.ts";

export class Confirmations {
  /** Items that were pulled and whose fates are still to come, and how many of them an earlier reader gave. */
  #untold = 0;
  #foreign = 0;
  /** Of the open batch, and of the commit in flight. */
  #open: ItemFate[] = [];
  #sealed: readonly ItemFate[] = [];
  /** What the readers were told of lately. */
  readonly confirmed = new ConfirmedIds();

  pulled(items: readonly SourceItem[]): void {
    for (const { mark } of items) if (mark !== true) this.#untold += 1;
  }

  /** The reader is another from now on. */
  reopened(): void {
    this.#foreign = this.#untold;
  }

  add(fate: ItemFate): void {
    this.#open.push(fate);
  }

  seal(): void {
    this.#sealed = this.#open;
    this.#open = [];
  }

  /** The commit of this number has been acknowledged: what of it the reader is to be told. */
  told(number: number): readonly ItemFate[] {
    const fates = this.#sealed;
    this.#sealed = [];
    const foreign = Math.min(this.#foreign, fates.length);
    this.#foreign -= foreign;
    this.#untold -= fates.length;
    const told = foreign === 0 ? fates : fates.slice(foreign);
    this.confirmed.add(
      number,
      told.flatMap((fate) => (fate.kind === "injected" ? fate.id : [])),
    );
    return told;
  }
}
