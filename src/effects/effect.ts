/**
 * Effects as users see them: calls that leave the system and may fail, made for each record of a stream. A pipeline says
 * what is performed and how often it is tried; where and by what is chosen at `run` (`effects.ts`).
 */
import type { Backoff } from "../computation/backoff.ts";
import { checkInteger, checkRenamedFrom, show } from "../computation/checks.ts";
import { isHandle } from "../computation/handle.ts";
import type { Stream, StreamHandle } from "../computation/stream.ts";
import { ConfigError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import type { StreamRecord } from "../record.ts";

/** One call of `perform`. */
export interface EffectCall {
  /**
   * The same at every call for this record, and at none for another: `pipeline/effect/record.id`. Send it along (as an
   * `Idempotency-Key` header, say), so that the other side can tell a repeated call from a new one.
   */
  readonly idempotencyKey: string;
  /** 1 at first. Calls that a crash cut off count where the store knew of them. */
  readonly attempt: number;
  /** Aborted at the time limit, and when the worker stops: what the call does afterwards counts as failed. */
  readonly signal: AbortSignal;
}

/** Does what leaves the system. What it returns, or its promise resolves to, goes to `results`; throwing means: try again. */
export type Perform<T, R> = (record: StreamRecord<T>, call: EffectCall) => R | Promise<R>;

/** What became of one record: a record of `results`, with the timestamp of that one. */
export type EffectResult<T, R> =
  | { readonly ok: true; readonly idempotencyKey: string; readonly attempts: number; readonly input: T; readonly value: R }
  | { readonly ok: false; readonly idempotencyKey: string; readonly attempts: number; readonly input: T; readonly error: string };

export interface EffectOptions<T, R> {
  /** Calls for one record, the first included, before it goes to dead letters; Infinity: for ever. Default: 5. */
  readonly attempts?: number | undefined;
  /** Waits between them, each shortened by up to a half at random. Default: `exponential(1_000, 600_000)`. */
  readonly backoff?: Backoff | undefined;
  /** ms that a call may take. Default: 30,000. */
  readonly timeLimit?: number | undefined;
  /** Calls at a time, of one worker. Default: 16. */
  readonly concurrency?: number | undefined;
  /** At most `max` calls begin in any `per` ms, of one worker (with BullMQ: of all). Default: no limit. */
  readonly rateLimit?: { readonly max: number; readonly per: number } | undefined;
  /** The stream of what `perform` returned, or of its final failure. Default: none. */
  readonly results?: Stream<EffectResult<T, R>> | undefined;
  /** Earlier names of this effect. */
  readonly renamedFrom?: string | readonly string[] | undefined;
}

/** An effect with its options made whole: what runners read. Durations in ms. */
export interface EffectSettings {
  readonly name: string;
  readonly stream: StreamHandle;
  readonly results: StreamHandle | undefined;
  readonly perform: Perform<any, unknown>;
  readonly attempts: number;
  readonly backoffFirst: number;
  readonly backoffMost: number;
  readonly timeLimit: number;
  readonly concurrency: number;
  readonly rateLimit: { readonly max: number; readonly per: number } | undefined;
  readonly renamedFrom: readonly string[];
}

/** Part of each wait between attempts that may be left out. */
export const EFFECT_JITTER = 0.5;

const OPTIONS = ["attempts", "backoff", "timeLimit", "concurrency", "rateLimit", "results", "renamedFrom"];

/** Throws `ConfigError`. `where`: as errors name the effect. */
export function effectSettings(where: string, name: string, stream: StreamHandle, perform: unknown, options: EffectOptions<any, any> = {}): EffectSettings {
  if (typeof perform !== "function") throw new ConfigError(`${where}: its third argument is a function of (record, call), but it is ${show(perform)}`);
  checkOptions(where, options, OPTIONS);
  const { attempts = 5, timeLimit = 30_000, concurrency = 16, rateLimit, backoff, results } = options;
  if (attempts !== Number.POSITIVE_INFINITY) checkInteger(where, "attempts", attempts, 1);
  checkInteger(where, "timeLimit, ms,", timeLimit, 1);
  checkInteger(where, "concurrency", concurrency, 1, 10_000);
  if (rateLimit !== undefined) {
    checkOptions(`${where}: rateLimit`, rateLimit, ["max", "per"]);
    checkInteger(where, "rateLimit.max", rateLimit.max, 1, 1_000_000);
    checkInteger(where, "rateLimit.per, ms,", rateLimit.per, 1);
  }
  if (backoff !== undefined && backoff?.kind !== "backoff")
    throw new ConfigError(`${where}: backoff is made by exponential(first, most), but it is ${show(backoff)}`);
  if (results !== undefined && !isHandle(results, "stream"))
    throw new ConfigError(`${where}: results is a stream, as made by stream(name), but it is ${show(results)}`);
  return {
    name,
    stream,
    results: results as StreamHandle | undefined,
    perform: perform as Perform<any, unknown>,
    attempts,
    backoffFirst: backoff?.first ?? 1_000,
    backoffMost: backoff?.most ?? 600_000,
    timeLimit,
    concurrency,
    rateLimit,
    renamedFrom: checkRenamedFrom(where, name, options.renamedFrom),
  };
}
