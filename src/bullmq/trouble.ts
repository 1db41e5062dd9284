/**
 * What goes wrong between us and BullMQ's Redis, told to people without flooding them: an outage fails hundreds of commands
 * a second, all for one reason.
 */
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";

/** ms in which one text is said once. */
const QUIET_MS = 30_000;
const TEXTS = 100;

export class Trouble {
  readonly #clock: Clock;
  readonly #say: (text: string) => void;
  readonly #said = new Map<string, number>();

  constructor(clock: Clock, say: (text: string) => void) {
    this.#clock = clock;
    this.#say = say;
  }

  readonly tell = (error: unknown): void => {
    // Of an AggregateError (no address of a host answers) the message may be empty.
    const { code } = Object(error) as { readonly code?: unknown };
    const text = messageOf(error) || (typeof code === "string" ? code : "an error without a message");
    const now = this.#clock.now();
    if (now - (this.#said.get(text) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return;
    if (this.#said.size >= TEXTS) this.#said.clear();
    this.#said.set(text, now);
    this.#say(text);
  };
}
