/**
 * Waits until what was just sent on a connection, and all that the server had applied before, is where the store promises
 * it to be: on replicas, on disks. Of a cluster, each node is waited for by itself.
 *
 * B1  A barrier begins with a write of its own. WAIT is about the writes of its own connection: after a reconnect, a resend
 *     that was applied before, or a read of what others wrote, it would have nothing to wait for and say so at once. The
 *     server's history is one, so a write that is there has all before it there.
 * B2  It is sent right behind what it is to cover, so all of it goes over one connection, and answers keep their order.
 * B3  What is not confirmed in time has an unknown outcome (`StoreUnavailableError`): the same bytes are sent again, are
 *     known, and are waited for again.
 * B4  Its write is in the slot of what it covers. Where that slot has left the node in between, the outcome is unknown too:
 *     what was carried out there may be with another node now, whose replicas nobody has asked.
 */
import type { Buffer } from "node:buffer";
import { StoreUnavailableError } from "../../errors.ts";
import type { Connection } from "./connection.ts";
import { describeWanted, type Wanted } from "./durability.ts";
import { type Covers, RedirectedError } from "./line.ts";
import { asList, asNumber } from "./reply.ts";
import { type Encoded, Request } from "./request.ts";

export class ReplicaBarrier implements Covers {
  readonly #wanted: Wanted;
  readonly #write: Buffer;
  readonly #wait: Buffer;

  /** `counter`: a key in the slot of all that it is to cover, of a number. */
  constructor(counter: Encoded, wanted: Wanted) {
    const { replicas, fsynced, timeoutMs } = wanted;
    const request = new Request();
    this.#wanted = wanted;
    // Leaves everything as it is; that it is no change does not matter to replication.
    this.#write = request.begin().key(counter).integer(0).finishCommand("INCRBY");
    request.begin();
    if (fsynced) request.integer(1);
    this.#wait = request
      .integer(replicas)
      .integer(timeoutMs)
      .finishCommand(fsynced ? "WAITAOF" : "WAIT");
  }

  /** Sends a call and what it waits for. Rejects if the call does, or if it is not known to be where it is promised to be. */
  async after(connection: Connection, call: () => Promise<unknown>, asking = false): Promise<unknown> {
    const { scriptsSentAgain } = connection;
    const covered = call();
    const waited = Promise.all([connection.command("INCRBY", this.#write, asking), this.#reached(connection)]);
    // Whatever becomes of it is told once the call is answered.
    waited.catch(() => {});
    const value = await covered;
    const [, [disks, replicas]] = await waited.catch((error: unknown) => {
      throw error instanceof RedirectedError ? this.#unknown(connection, error.message) : error;
    });
    if (scriptsSentAgain !== connection.scriptsSentAgain) throw this.#unknown(connection, "the server had to be given its scripts again in between");
    const { replicas: wanted, fsynced, timeoutMs } = this.#wanted;
    if (replicas < wanted || (fsynced && disks < 1)) {
      const disk = fsynced ? `${disks === 0 ? "its disk had not" : "its disk had"}, and ` : "";
      throw this.#unknown(connection, `within ${timeoutMs} ms ${disk}${replicas} of ${wanted} replicas had`);
    }
    return value;
  }

  /** Disks of primaries and replicas that have it. */
  async #reached(connection: Connection): Promise<readonly [disks: number, replicas: number]> {
    if (!this.#wanted.fsynced) return [0, asNumber(await connection.command("WAIT", this.#wait))];
    const reply = asList(await connection.command("WAITAOF", this.#wait));
    return [asNumber(reply[0]), asNumber(reply[1])];
  }

  #unknown(connection: Connection, why: string): StoreUnavailableError {
    return new StoreUnavailableError(`${connection.description}: not known to be on ${describeWanted(this.#wanted)}: ${why}`);
  }
}
