/**
 * The client ids that an injector's shard took lately, so that most are known without asking the store. Pure.
 *
 * I1  An id that was added is known until more than KEPT others have been added after it.
 * I2  `has` gives undefined where only the store can tell; never where all ids ever taken are still here.
 */
const KEPT = 200_000;

export class RecentIds {
  readonly #ids = new Set<string>();
  #complete: boolean;

  /** `complete`: no id was taken before. */
  constructor(complete: boolean) {
    this.#complete = complete;
  }

  has(id: string): boolean | undefined {
    if (this.#ids.has(id)) return true;
    return this.#complete ? false : undefined;
  }

  add(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size <= KEPT) return;
    this.#complete = false;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      break;
    }
  }
}
