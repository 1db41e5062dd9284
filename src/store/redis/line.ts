/**
 * Where calls go: one server, or whichever node of a cluster has a slot. What a call is made of is `request.ts`; what
 * errors mean is `connection.ts`.
 */
import type { Buffer } from "node:buffer";
import { StoreUnavailableError } from "../../errors.ts";
import type { Connection } from "./connection.ts";
import type { Script } from "./script.ts";

/** Calls on one line take effect, and are answered, in the order in which they are made. */
export interface Line {
  /** `bytes` are of `Request.finishScript(script.sha)`. */
  run(script: Script, bytes: Buffer): Promise<unknown>;
  /** `bytes` are of `Request.finishCommand(name)`. */
  command(name: string, bytes: Buffer): Promise<unknown>;
}

/** What a call is followed by, on the connection on which it is made, before its answer counts. */
export interface Covers {
  after(connection: Connection, call: () => Promise<unknown>, asking: boolean): Promise<unknown>;
}

/** A server, or a cluster of them, that was connected to. */
export interface Servers {
  readonly description: string;
  readonly generation: number;
  /** For keys of this slot. */
  line(slot: number): Line;
  /** The same, each call followed by what covers it; their order among all calls of the slot is kept. */
  coveredLine(slot: number, covers: Covers): Line;
  /** One to each server that has keys, for what concerns all keys. */
  lines(): readonly Line[];
  /** Settles once the system has taken the bytes of all calls from the process, or they are lost; undefined: it has. */
  sent(): Promise<void> | undefined;
  close(): Promise<void>;
}

/** The node that was asked has not carried the call out: another one has the slot, or is about to get it. */
export class RedirectedError extends StoreUnavailableError {
  readonly asking: boolean;
  readonly slot: number;
  /** "host:port"; without a host it is that of the node that says so. */
  readonly address: string;

  constructor(message: string, asking: boolean, slot: number, address: string) {
    super(message);
    this.asking = asking;
    this.slot = slot;
    this.address = address;
  }
}

/** Of "MOVED 3999 127.0.0.1:6381", or ASK. */
export function redirectOf(text: string, from: string): RedirectedError {
  const [kind = "", slot = "", address = ""] = text.split(" ");
  return new RedirectedError(`${from}: ${text}`, kind === "ASK", Number(slot), address);
}
