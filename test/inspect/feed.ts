/** What a test pushes into a pipeline: records and promises, in this order, each with its position. */
import type { Injector, InjectorOptions } from "../../src/computation/edges.ts";
import { fromIterable, type Positioned, watermarkMark } from "../../src/injectors/from-iterable.ts";
import { byHand } from "../../src/watermark/by-hand.ts";

export interface Item {
  readonly key: string;
  readonly at: number;
}

export class Feed {
  readonly #items: Positioned<Item, number>[] = [];
  #ended = false;
  #wake: (() => void)[] = [];

  push(key: string, at: number): void {
    this.#items.push({ value: { key, at }, position: this.#items.length + 1 });
    this.#woken();
  }

  promise(watermark: number): void {
    this.#items.push(watermarkMark(this.#items.length + 1, watermark));
    this.#woken();
  }

  end(): void {
    this.#ended = true;
    this.#woken();
  }

  injector(options: InjectorOptions<Item> = {}): Injector<Item> {
    return fromIterable<Item, number>((position = 0) => this.#from(position), { timestamp: (item) => item.at, watermark: byHand(), ...options });
  }

  async *#from(position: number): AsyncGenerator<Positioned<Item, number>[]> {
    for (let at = position; ; ) {
      const items = this.#items.slice(at);
      at += items.length;
      if (items.length > 0) yield items;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #woken(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
