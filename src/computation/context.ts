/** What a computation may do while it is called. Only the types: the engine makes contexts (`src/worker`). */
import type { Output } from "./output.ts";
import type { StateCell } from "./state.ts";
import type { TimerFamily, TimerSlot } from "./timer.ts";

/** Lines for people; each says which pipeline, computation and key it is about. */
export interface Log {
  debug(text: string, fields?: object): void;
  info(text: string, fields?: object): void;
  warn(text: string, fields?: object): void;
  error(text: string, fields?: object): void;
}

export interface ProduceOptions {
  /** Event time, ms since the epoch. Default: that of the record; of a timer, its output timestamp (see `SetTimerOptions`). */
  readonly timestamp?: number | undefined;
}

export interface SetTimerOptions {
  /**
   * The timestamp of what the timer will produce, ms since the epoch; until it has fired it holds the computation's
   * output watermark there. Default: the timer's own time; for a wall timer, the timestamp of the record or timer that
   * sets it. `"none"`: it holds nothing, and a wall timer produces at the input watermark of its firing.
   */
  readonly output?: number | "none" | undefined;
}

/**
 * One call's view of one key, and all it may do. What it does is gathered and committed at once with what the call
 * consumed, or not at all. Valid until the call returns or its promise settles: later use throws `InvalidUseError`
 * and changes nothing.
 */
export interface Context {
  /** The key of the record or timer. */
  readonly key: string;
  /** The input low watermark, ms since the epoch, as of the start of the call; -1 before anything is known. */
  readonly watermark: number;
  /**
   * The percentile watermark that a timer declared with `percentile` fires by, ms since the epoch: at least `watermark`; -1
   * before anything is known. A record with a smaller timestamp came behind it, and is late only if it is behind `watermark`
   * too. Throws `InvalidUseError` for a timer without a percentile.
   */
  percentileWatermark(timer: TimerSlot | TimerFamily<string> | TimerFamily<number>): number;
  /** The smallest timestamp that is still on time downstream, ms since the epoch: for what late records and late timers produce. */
  readonly outputFloor: number;
  /** Processing time, ms since the epoch: the wall clock, never running back for a key; virtual in tests. */
  now(): number;
  /** Aborted when the call has exceeded its time limit or its worker stops: whatever it does afterwards is lost. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** A cell of this key. There before the call: nothing to wait for. Throws `InvalidUseError` for a cell that the class does not declare. */
  state<Access>(cell: StateCell<Access>): Access;
  /**
   * Produces a record. Its timestamp may not be smaller than the record's or the timer's output timestamp, except down to
   * the key's `hold` where one was set before the call; else `InvalidUseError`. Sizes are checked here:
   * `LimitExceededError`. The value is encoded before `produce` returns, so it may be changed afterwards.
   */
  produce<T>(output: Output<T>, value: NoInfer<T>, options?: ProduceOptions): void;
  /** Sets a timer for `time`, integer ms since the epoch, in place of the one set before. One in the past fires at once, with its own time. */
  setTimer(timer: TimerSlot, time: number, options?: SetTimerOptions): void;
  /** Deletes a timer; nothing happens where none is set. */
  deleteTimer(timer: TimerSlot): void;
  /** From this commit on, this key holds the computation's output watermark at `time` until it is told otherwise; undefined: no more. */
  hold(time: number | undefined): void;
  /** Deletes every cell, timer and hold of this key. */
  clear(): void;
}
