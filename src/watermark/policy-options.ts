/** What every watermark policy may be told. */
import { ConfigError } from "../errors.ts";

export interface PolicyOptions {
  /**
   * ms of silence, by the clock, after which the injector is idle and no longer holds its consumers. Its first record
   * afterwards makes it live again. Default: never idle.
   */
  readonly idleAfter?: number | undefined;
}

/** `idleAfter` of the options, checked; ConfigError if it is not a duration. */
export function idleAfterOf(policy: string, options: PolicyOptions): number | undefined {
  const { idleAfter } = options;
  if (idleAfter !== undefined && !(Number.isSafeInteger(idleAfter) && idleAfter > 0)) {
    throw new ConfigError(`${policy}: idleAfter is ${idleAfter}; give integer ms above 0, or leave it out for never`);
  }
  return idleAfter;
}
