/**
 * How the command ends. 0: done, or drained after a signal. 1: it failed. 2: it was asked for what cannot be; fix the
 * command line or the pipeline. 70: the pipeline's code has broken its process. 128 + n: ended at once by a second signal n.
 */
import { EndpointError } from "../inspect/endpoint.ts";
import { ConfigError, IncompatibleDataError, messageOf, StoreRefusedError } from "../errors.ts";

export const DONE = 0;
export const FAILED = 1;
export const MISTAKEN = 2;
export const BROKEN = 70;
/** Of an audit: it found violations; it could not look. */
export const VIOLATED = 1;
export const UNCHECKED = 2;

/** A mistake of whoever typed the command: told in one sentence, without a stack. */
export class UsageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "UsageError";
  }
}

export interface Ending {
  readonly code: number;
  /** For standard error. */
  readonly text: string;
}

/** What an error means to whoever typed the command. A stack is shown only where the fault may be in code. */
export function endingOf(error: unknown): Ending {
  if (error instanceof EndpointError) return { code: (error.status ?? 500) < 500 ? MISTAKEN : FAILED, text: error.message };
  if (isMistake(error)) return { code: MISTAKEN, text: messageOf(error) };
  if (error instanceof Error && typeof (error as { readonly code?: unknown }).code === "string") return { code: FAILED, text: withCauses(error) };
  return { code: FAILED, text: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

/** Errors are known by their codes too: the user's file may have loaded another copy of the library. */
function isMistake(error: unknown): boolean {
  if (error instanceof UsageError || error instanceof ConfigError || error instanceof IncompatibleDataError || error instanceof StoreRefusedError) return true;
  return error instanceof Error && ["config", "incompatible-data", "store-refused"].includes(String((error as { readonly code?: unknown }).code));
}

function withCauses(error: Error): string {
  const texts = [error.message];
  for (let { cause } = error; cause instanceof Error && texts.length < 5; { cause } = cause)
    if (!texts.some((text) => text.includes((cause as Error).message))) texts.push(cause.message);
  return texts.join("\n  caused by: ");
}
