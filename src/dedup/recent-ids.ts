/**
 * The client ids that an injector's shard took lately, so that most are known without asking the store. Pure.
 *
 * I1  An id that was added is known at least until KEPT others have been added after it.
 * I2  `has` gives undefined where only the store can tell; never where all ids ever taken are still here.
 */
const KEPT = 100_000;

export class RecentIds {
  /** Two ages, the older of which is forgotten at once: to find the oldest of a set that others were taken from is slow. */
  #ids = new Set<string>();
  #older: ReadonlySet<string> = new Set<string>();
  #complete: boolean;

  /** `complete`: no id was taken before. */
  constructor(complete: boolean) {
    this.#complete = complete;
  }

  has(id: string): boolean | undefined {
    if (this.#ids.has(id) || this.#older.has(id)) return true;
    return this.#complete ? false : undefined;
  }

  add(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size <= KEPT) return;
    if (this.#older.size > 0) this.#complete = false;
    this.#older = this.#ids;
    this.#ids = new Set();
  }
}
