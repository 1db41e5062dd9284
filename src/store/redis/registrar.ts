/**
 * Registrations of one worker, one after the other: each is computed here from what is stored, and stored if nothing of its
 * participants has changed meanwhile. Rare, unlike reports.
 */
import { StoreUnavailableError } from "../../errors.ts";
import type { Interval, Registration } from "../store.ts";
import type { Calls } from "./calls.ts";
import type { Keys } from "./keys.ts";
import { encodeRegistration } from "./registration-request.ts";
import { asList, asText } from "./reply.ts";
import { REGISTER } from "./scripts.ts";

/** Attempts to register while others change the same participants. Each that fails means that another succeeded. */
const ATTEMPTS = 200;

export class Registrar {
  readonly #calls: Calls;
  readonly #keys: Keys;
  #settled: Promise<void> = Promise.resolve();

  constructor(calls: Calls, keys: Keys) {
    this.#calls = calls;
    this.#keys = keys;
  }

  /**
   * Settles after the last registration: each takes two calls or more, so what comes after it waits for it (S7). One that
   * ended after a release of what it lists would take that from its new owner.
   */
  get settled(): Promise<void> {
    return this.#settled;
  }

  register(worker: string, intervals: readonly Interval[]): Promise<readonly Registration[]> {
    const registrations = this.#settled.then(() => this.#register(worker, intervals));
    this.#settled = registrations.then(
      () => {},
      () => {},
    );
    return registrations;
  }

  async #register(worker: string, intervals: readonly Interval[]): Promise<readonly Registration[]> {
    if (intervals.length === 0) return [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const registrations = await this.#tryToRegister(worker, intervals);
      if (registrations !== undefined) return registrations;
    }
    throw new StoreUnavailableError(`worker ${worker} could not register: others changed the same participants ${ATTEMPTS} times in a row`);
  }

  async #tryToRegister(worker: string, intervals: readonly Interval[]): Promise<readonly Registration[] | undefined> {
    const read = this.#calls.begin(this.#keys.authority).text("published");
    for (const { participant } of intervals) read.text(`owners:${participant}`).text(`cells:${participant}`);
    const stored = asList(await this.#calls.command("HMGET", read));
    const request = this.#calls.begin(this.#keys.authority);
    const registrations = encodeRegistration(request, worker, intervals, stored);
    return REGISTER.outcomes[asText(await this.#calls.run(REGISTER, request))] === "registered" ? registrations : undefined;
  }
}
