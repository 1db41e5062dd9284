/**
 * The keys of one shard that are in its owner's memory, and which others are being read.
 *
 * C1  A key that is not here is as the store has it.
 * C2  `complete`: every key with stored state is here, so a key that is not here is new, and nothing is read.
 * C3  While it is complete, a key of which nothing is stored is let go as soon as its commit is acknowledged: keys that come
 *     and go, as those of windows do, take no memory that grows. Otherwise it stays, for to forget it would cost a read.
 * C4  The bytes of a key lie on a page with others', which one small value keeps alive whole, as one slice keeps a reply of the
 *     store. So with each key that comes in or is encoded, another one is passed, in turn, and its bytes are moved unless they
 *     are newer than when it was last passed: no page outlives two rounds, and pages come to some three times what is on them.
 */
import type { KeyState } from "./key-state.ts";

export class KeyCache {
  readonly #keys = new Map<string, KeyState>();
  readonly #loading = new Set<string>();
  readonly #wanted = new Set<string>();
  /** Of which nothing was stored when they came in, or were encoded last. */
  readonly #empty = new Set<KeyState>();
  readonly #limit: number;
  #complete: boolean;
  #bytes = 0;
  /** Whose bytes are moved next (C4). */
  #next: Iterator<KeyState>;

  /** @param limit bytes of keys to keep, about. */
  constructor(limit: number, complete: boolean) {
    this.#limit = limit;
    this.#complete = complete;
    this.#next = this.#keys.values();
  }

  get complete(): boolean {
    return this.#complete;
  }
  get size(): number {
    return this.#keys.size;
  }

  get(name: string): KeyState | undefined {
    return this.#keys.get(name);
  }
  values(): Iterable<KeyState> {
    return this.#keys.values();
  }

  add(key: KeyState): void {
    this.#moveNext();
    key.move();
    this.#keys.set(key.key, key);
    this.#bytes += key.size;
    if (this.#complete && key.empty) this.#empty.add(key);
  }

  /** The key's cells have other bytes than before. */
  weigh(key: KeyState): void {
    this.#moveNext();
    key.isFresh = true;
    this.#bytes -= key.size;
    this.#bytes += key.weigh();
    if (this.#complete && key.empty) this.#empty.add(key);
  }

  #moveNext(): void {
    const next = this.#next.next();
    if (next.done === true) this.#next = this.#keys.values();
    else if (next.value.isFresh) next.value.isFresh = false;
    else next.value.move();
  }

  /** The key will be needed soon. */
  want(name: string): void {
    if (!this.#complete && !this.#keys.has(name) && !this.#loading.has(name)) this.#wanted.add(name);
  }

  /** What to read now. */
  takeWanted(): readonly string[] {
    if (this.#wanted.size === 0) return [];
    const names = [...this.#wanted].filter((name) => !this.#keys.has(name));
    this.#wanted.clear();
    for (const name of names) this.#loading.add(name);
    return names;
  }

  /** The read is over, with or without success. True: the key has not come in by another way. */
  loaded(name: string): boolean {
    this.#loading.delete(name);
    return !this.#keys.has(name);
  }

  /** Lets go of keys that were not used lately, oldest first, when there are too many bytes of them. Only what is committed may go. */
  sweep(mayGo: (key: KeyState) => boolean): void {
    this.#sweepEmpty(mayGo);
    if (this.#bytes <= this.#limit) return;
    for (const [name, key] of this.#keys) {
      if (this.#bytes <= 0.75 * this.#limit) return;
      if (key.used || !mayGo(key)) {
        key.used = false;
        continue;
      }
      this.#keys.delete(name);
      this.#bytes -= key.size;
      this.#complete = false;
    }
  }

  #sweepEmpty(mayGo: (key: KeyState) => boolean): void {
    for (const key of this.#empty) {
      if (this.#complete && key.empty) {
        if (!mayGo(key)) continue;
        this.#keys.delete(key.key);
        this.#bytes -= key.size;
      }
      this.#empty.delete(key);
    }
  }
}
