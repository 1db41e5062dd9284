/**
 * Waits until what this connection has sent, and all that the server had applied before, is where the store promises it to
 * be: on replicas, on disks.
 *
 * B1  A barrier begins with a write of its own. WAIT is about the writes of its own connection: after a reconnect, a resend
 *     that was applied before, or a read of what others wrote, it would have nothing to wait for and say so at once. The
 *     server's history is one, so a write that is there has all before it there.
 * B2  It is sent right behind what it is to cover, so all of it goes over one connection, and answers keep their order.
 * B3  What is not confirmed in time has an unknown outcome (`StoreUnavailableError`): the same bytes are sent again, are
 *     known, and are waited for again.
 */
import { StoreUnavailableError } from "../../errors.ts";
import type { Calls } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { describeWanted, type Wanted } from "./durability.ts";
import type { Keys } from "./keys.ts";
import { asList, asNumber } from "./reply.ts";

export class ReplicaBarrier {
  readonly #connection: Connection;
  readonly #calls: Calls;
  readonly #keys: Keys;
  readonly #wanted: Wanted;

  constructor(connection: Connection, calls: Calls, keys: Keys, wanted: Wanted) {
    this.#connection = connection;
    this.#calls = calls;
    this.#keys = keys;
    this.#wanted = wanted;
  }

  /** Is what is behind a barrier on the primary's disk? */
  get fsynced(): boolean {
    return this.#wanted.fsynced;
  }

  /** `covered`: what was sent right before. Rejects if that does, or if it is not known to be where it is promised to be. */
  async after<T>(covered: Promise<T>): Promise<T> {
    const { scriptsSentAgain } = this.#connection;
    const [value, , reached] = await Promise.all([covered, this.#write(), this.#wait()]);
    if (scriptsSentAgain !== this.#connection.scriptsSentAgain) throw this.#unknown("the server had to be given its scripts again in between");
    const [disks, replicas] = reached;
    const { replicas: wanted, fsynced, timeoutMs } = this.#wanted;
    if (replicas < wanted || (fsynced && disks < 1))
      throw this.#unknown(
        `within ${timeoutMs} ms ${fsynced ? `${disks === 0 ? "its disk had not" : "its disk had"}, and ` : ""}${replicas} of ${wanted} replicas had`,
      );
    return value;
  }

  /** Leaves everything as it is; that it is no change does not matter to replication. */
  #write(): Promise<unknown> {
    return this.#calls.command("INCRBY", this.#calls.begin(this.#keys.appends).integer(0));
  }

  /** Disks of primaries and replicas that have it. */
  async #wait(): Promise<readonly [disks: number, replicas: number]> {
    const { replicas, fsynced, timeoutMs } = this.#wanted;
    if (!fsynced) return [0, asNumber(await this.#calls.command("WAIT", this.#calls.begin().integer(replicas).integer(timeoutMs)))];
    const reply = asList(await this.#calls.command("WAITAOF", this.#calls.begin().integer(1).integer(replicas).integer(timeoutMs)));
    return [asNumber(reply[0]), asNumber(reply[1])];
  }

  #unknown(why: string): StoreUnavailableError {
    return new StoreUnavailableError(`${this.#connection.description}: not known to be on ${describeWanted(this.#wanted)}: ${why}`);
  }
}
