/** Has the server room for what injectors would add? Asked once in a while; while it has none, each time (`lua/room.lua`). */
import { StoreUnavailableError } from "../../errors.ts";
import type { Calls } from "./calls.ts";
import type { Keys } from "./keys.ts";
import { ROOM } from "./scripts.ts";

/** ms between two looks. */
const ROOM_MS = 1_000;

export class ServerRoom {
  readonly #calls: Calls;
  readonly #keys: Keys;
  #full = false;
  /** By the server's clock, ms. */
  #askedAt = 0;

  constructor(calls: Calls, keys: Keys) {
    this.#calls = calls;
    this.#keys = keys;
  }

  /** `now`: the server's clock, ms. */
  async isFull(now: number): Promise<boolean> {
    if (this.#full || Math.abs(now - this.#askedAt) >= ROOM_MS) {
      this.#full = !(await this.#hasRoom());
      this.#askedAt = now;
    }
    return this.#full;
  }

  async #hasRoom(): Promise<boolean> {
    try {
      await this.#calls.run(ROOM, this.#calls.begin(this.#keys.workers));
      return true;
    } catch (error) {
      if (error instanceof StoreUnavailableError && error.message.includes(": OOM ")) return false;
      throw error;
    }
  }
}
