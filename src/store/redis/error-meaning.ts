/** What an error of the server or of the client library means to whoever made a call. Pure. */
import { InvariantError, messageOf, MillraceError, StoreRefusedError, StoreUnavailableError } from "../../errors.ts";
import { redirectOf } from "./line.ts";

const codeOf = (text: string): string | undefined => /^[A-Z]+\b/.exec(text)?.[0];
/** `WAIT` says it in a sentence of its own. */
const waitsAsReplica = (text: string): boolean => text.startsWith("ERR WAIT") && text.includes("replica");

/** Does it come of a server that was the primary and is not any more? */
export function isOfReplica(error: unknown): boolean {
  if (error instanceof MillraceError) return false;
  const text = messageOf(error);
  const code = codeOf(text);
  return code === "READONLY" || code === "UNBLOCKED" || waitsAsReplica(text);
}

/** `address`: of the server; `remedy`: what to do where the user may not do what Millrace does. */
export function meaningOf(error: unknown, address: string, remedy: string): Error {
  if (error instanceof MillraceError) return error;
  const text = messageOf(error);
  const unavailable = (what: string): StoreUnavailableError => new StoreUnavailableError(`${address}: ${what}`);
  const code = codeOf(text);
  switch (code) {
    case "UNKNOWNSHARD":
      return new InvariantError(`a shard is not in the stored graph: Redis has no key ${text.slice(code.length + 1)}`);
    case "NOSTREAM": {
      const key = JSON.stringify(text.slice(code.length + 1));
      return new StoreRefusedError(`${address}: the key ${key} holds something that is not a stream; give the sink another key`);
    }
    case "NOAUTH":
    case "WRONGPASS":
      return new StoreRefusedError(`${address}: the server does not take the user name or password (${text}); give others`);
    case "NOPERM":
      return new StoreRefusedError(`${address}: ${text}; ${remedy}`);
    case "MOVED":
    case "ASK":
      return redirectOf(text, address);
    case "OOM":
      return unavailable(`${text}; give Redis more memory (maxmemory)`);
    case "READONLY":
    case "UNBLOCKED":
    case "MISCONF":
    case "NOREPLICAS":
    case "LOADING":
    case "BUSY":
    case "TRYAGAIN":
    case "CLUSTERDOWN":
    case "MASTERDOWN":
      return unavailable(text);
    default:
      if (waitsAsReplica(text)) return unavailable(`READONLY ${text}`);
      if (error instanceof Error && error.name === "ReplyError") return new InvariantError(`${address}: Redis refused a command of Millrace: ${text}`);
      return unavailable(text);
  }
}
