/** Who is alive, what they say of themselves, and whether the server has room, which is looked at as workers say so. */
import { StoreUnavailableError } from "../../errors.ts";
import type { Announced, StoredWorker } from "../store.ts";
import type { Calls } from "./calls.ts";
import type { Keys } from "./keys.ts";
import { storedWorkers } from "./recovered.ts";
import { asList, asNumber, asText } from "./reply.ts";
import { ANNOUNCE, DEPART, ROOM, WORKERS } from "./scripts.ts";

/**
 * ms after a look at whether the server has room that the next is due; while it has none, every announcement looks. It is sent
 * with the first announcement after one that found it due, and answered with it: a look by itself would wake the worker once more.
 */
const ROOM_MS = 500;
/** ms after which a worker says again of itself what it has said: what a server forgot when it lost its tail comes back. */
const SAID_MS = 10_000;

export class Announcements {
  readonly #calls: Calls;
  readonly #keys: Keys;
  /** What was said of each name, and when, by the server's clock, ms. */
  readonly #said = new Map<string, { readonly about: string; readonly at: number }>();
  #full = false;
  /** By the server's clock, ms, as far as told. */
  #askedForRoom = 0;
  #lookForRoom = true;

  constructor(calls: Calls, keys: Keys) {
    this.#calls = calls;
    this.#keys = keys;
  }

  async announce(worker: string, ms: number, about: string): Promise<Announced> {
    const request = this.#calls.begin(this.#keys.workers, this.#keys.authority, this.#keys.graph).text(worker).integer(ms).text(about);
    const said = this.#said.get(worker);
    const again = said?.about === about;
    const looks = this.#lookForRoom;
    const answer = this.#calls.run(ANNOUNCE, request.integer(again ? 1 : 0));
    const [told, room] = await Promise.all([answer, looks ? this.#hasRoom() : undefined]);
    const [now, graph, workers] = asList(told);
    const at = asNumber(now);
    if (!again) this.#said.set(worker, { about, at });
    else if (Math.abs(at - said.at) >= SAID_MS) this.#said.delete(worker);
    if (room !== undefined) [this.#full, this.#askedForRoom] = [!room, at];
    this.#lookForRoom = this.#full || Math.abs(at - this.#askedForRoom) >= ROOM_MS;
    return { workers: asList(workers).map(asText).sort(), full: this.#full, graph: asNumber(graph), now: at };
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

  async depart(worker: string): Promise<void> {
    await this.#calls.run(DEPART, this.#calls.begin(this.#keys.workers, this.#keys.authority).text(worker));
  }

  async read(): Promise<{ workers: StoredWorker[]; now: number }> {
    const [now, entries] = asList(await this.#calls.run(WORKERS, this.#calls.begin(this.#keys.workers, this.#keys.authority)));
    return { workers: storedWorkers(entries), now: asNumber(now) };
  }
}
