/** What is fuzzed: something that reads bytes or text which others wrote. */

export interface Target {
  readonly name: string;
  /** Valid inputs, from which others are made. */
  readonly corpus: readonly Uint8Array[];
  /** Words of its language, put in here and there. */
  readonly words?: readonly (string | Uint8Array)[] | undefined;
  /** Reads it. Whatever the bytes are, this gives what was read, or throws an error of `src/errors.ts` or one of `throws`. */
  read(input: Uint8Array): unknown;
  /** Other classes of errors that are part of what it promises. */
  readonly throws?: readonly (abstract new (...args: never[]) => Error)[] | undefined;
  /** Ms that one input may take. Default 50. */
  readonly patience?: number | undefined;
  /** Inputs that are read side by side. Default 1: one after the other. */
  readonly atOnce?: number | undefined;
  /** Ends what it has started. */
  close?(): Promise<void>;
}

/** A target may have to start something first. */
export type TargetMaker = () => Target | Promise<Target>;
