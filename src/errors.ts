/**
 * Every error that Millrace throws or reports, classed by what the caller does next. Expected outcomes (a fenced
 * commit, a late record) are values and never appear here.
 */

export type ErrorCode =
  | "config"
  | "incompatible-data"
  | "undecodable"
  | "limit-exceeded"
  | "invalid-use"
  | "record-failed"
  | "record-refused"
  | "record-not-taken"
  | "store-unavailable"
  | "store-refused"
  | "injector-failed"
  | "sink-unavailable"
  | "sink-lost-data"
  | "invariant";

export class MillraceError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** The pipeline as written cannot run. Fix the code. Thrown while it is built or started. */
export class ConfigError extends MillraceError {
  constructor(message: string, options?: ErrorOptions) {
    super("config", message, options);
  }
}

/** The stored data belongs to another shape of this pipeline. Rename, or drop what would be orphaned. */
export class IncompatibleDataError extends MillraceError {
  /** What the start would have orphaned, one sentence each. */
  readonly orphans: readonly string[];
  constructor(message: string, orphans: readonly string[] = []) {
    super("incompatible-data", message);
    this.orphans = orphans;
  }
}

/**
 * A stored value was written by a newer version of its codec than this code has. The worker leaves the participant's shards
 * to workers with newer code; where it is the only one that can be, the pipeline stops.
 */
export class NewerDataError extends IncompatibleDataError {}

/** Stored bytes are not what their codec writes: damaged, or written by something else. Nothing can be read from them. */
export class DecodeError extends MillraceError {
  constructor(message: string, options?: ErrorOptions) {
    super("undecodable", message, options);
  }
}

/** A key, tag, record, state value or commit is larger than `limits.ts` allows. Nothing was stored. */
export class LimitExceededError extends MillraceError {
  constructor(message: string) {
    super("limit-exceeded", message);
  }
}

/** User code asked for something that is never right (a timestamp before its record's, a context after its call). */
export class InvalidUseError extends MillraceError {
  constructor(message: string, options?: ErrorOptions) {
    super("invalid-use", message, options);
  }
}

/** A record or timer went on failing and its computation says `onFailure: "stop"`. Rejects `running.finished`. */
export class RecordFailedError extends MillraceError {
  readonly computation: string;
  readonly key: string;
  readonly attempts: number;
  constructor(computation: string, key: string, attempts: number, cause: unknown) {
    super("record-failed", `${computation}: key ${JSON.stringify(key)} failed ${attempts} times: ${messageOf(cause)}`, { cause });
    this.computation = computation;
    this.key = key;
    this.attempts = attempts;
  }
}

/** A record that `push` was given can never be taken as it is. Correct it. Nothing of it is in the pipeline but, where the message says so, a dead letter. */
export class RecordRefusedError extends MillraceError {
  constructor(message: string, options?: ErrorOptions) {
    super("record-refused", message, options);
  }
}

/** A record that `push` was given was not taken, as far as is known. Push it again, under the same id: it is taken once. */
export class RecordNotTakenError extends MillraceError {
  /** `unknown`: it may be committed, or be so a moment later. */
  readonly taken: "no" | "unknown";
  constructor(message: string, taken: "no" | "unknown", options?: ErrorOptions) {
    super("record-not-taken", message, options);
    this.taken = taken;
  }
}

/** The store did not answer. The engine retries; `run` throws it only while starting. */
export class StoreUnavailableError extends MillraceError {
  constructor(message: string, options?: ErrorOptions) {
    super("store-unavailable", message, options);
  }
}

/** The store answered that it cannot be used as it is (version, eviction policy, another process). Says what to do. */
export class StoreRefusedError extends MillraceError {
  constructor(message: string, options?: ErrorOptions) {
    super("store-refused", message, options);
  }
}

/** A source could not be read. The engine opens it again after the last committed position. */
export class InjectorFailedError extends MillraceError {
  constructor(message: string, options?: ErrorOptions) {
    super("injector-failed", message, options);
  }
}

/** A sink's target cannot be written to now, and no record is at fault. The engine opens it again after a while. */
export class SinkUnavailableError extends MillraceError {
  constructor(message: string, options?: ErrorOptions) {
    super("sink-unavailable", message, options);
  }
}

/** A sink holds less than was committed to it: someone, or a power failure, took data away. */
export class SinkLostDataError extends MillraceError {
  constructor(message: string) {
    super("sink-lost-data", message);
  }
}

/** A bug in Millrace. The worker stops rather than write anything doubtful. */
export class InvariantError extends MillraceError {
  constructor(message: string) {
    super("invariant", message);
  }
}

/** Stops the worker where a stated invariant does not hold; on in production too. */
export function invariant(holds: boolean, message: string): asserts holds {
  if (!holds) throw new InvariantError(message);
}

/** The text of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
