/**
 * What a simulation did: a hash of all its steps, by which two runs are compared; how often each rare thing was seen;
 * and, where asked for, a timeline for people.
 */

/** Lines of the timeline that are kept: the last ones. */
const KEPT = 4_000;

export class Trace {
  #low = 0x811c9dc5;
  #high = 0x9747b28c;
  readonly #lines: string[] | undefined;
  /** How often what happened, by name. */
  readonly seen = new Map<string, number>();

  constructor(recording: boolean) {
    this.#lines = recording ? [] : undefined;
  }

  get hash(): string {
    return (this.#high >>> 0).toString(16).padStart(8, "0") + (this.#low >>> 0).toString(16).padStart(8, "0");
  }

  get lines(): readonly string[] {
    return this.#lines ?? [];
  }

  /** Makes a number part of the run's identity. */
  mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193);
    this.#high = Math.imul((this.#high ^ this.#low) >>> 0, 0x85ebca6b) ^ (value / 4_294_967_296);
  }

  mixText(text: string): void {
    for (let i = 0; i < text.length; i++) this.mix(text.charCodeAt(i));
  }

  mixBytes(bytes: Uint8Array): void {
    this.mix(bytes.length);
    let low = this.#low;
    for (let i = 0; i < bytes.length; i++) low = Math.imul(low ^ (bytes[i] as number), 0x01000193);
    this.#low = low;
  }

  saw(what: string, times = 1): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + times);
  }

  /** Adds a line to the timeline; `text` is made only if there is one. */
  line(text: () => string): void {
    if (this.#lines === undefined) return;
    this.#lines.push(text());
    if (this.#lines.length > 2 * KEPT) this.#lines.splice(0, KEPT);
  }
}
