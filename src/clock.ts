/**
 * The engine's door to processing time. Nothing else in `src` reads the machine's clock or sets its timers
 * (lint enforces it), so tests and the simulator can put a virtual clock in its place.
 */
export interface Clock {
  /** Wall time, ms since the epoch. May jump; the engine never lets a shard's processing time run back. */
  now(): number;
  /** Calls `wake` once, `delay` ms from now; the returned function cancels it. */
  after(delay: number, wake: () => void): () => void;
  /** Calls `wake` once, after the I/O that is ready has had its turn; takes no time. */
  soon(wake: () => void): void;
}

/** `setTimeout` overflows above this; a longer wait is made of several. */
const LONGEST_WAIT = 2_000_000_000;
/** From this on a wait is a ms longer: a timer may end a ms before `now` shows it, and who waits for that would wait once more. */
const LONG_WAIT = 50;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delay, wake) {
    const wait = Math.ceil(delay) + (delay >= LONG_WAIT ? 1 : 0);
    const handle = setTimeout(wake, Math.min(Math.max(wait, 0), LONGEST_WAIT));
    return () => clearTimeout(handle);
  },
  soon: (wake) => void setImmediate(wake),
};
