/**
 * Calls on the keys of one slot of a cluster, which may move from node to node meanwhile.
 *
 * V1  Calls take effect, and are answered, in the order in which they are made (S7): once one of them was redirected, the
 *     next wait until all that are under way are answered, and then go after those that were redirected.
 * V2  Only a call that a node has refused because of its slot is sent again here: nothing is carried out twice.
 * V3  A call that waits while the data may have gone back is not sent any more: its maker has to hear of it first.
 */
import type { Buffer } from "node:buffer";
import { StoreUnavailableError } from "../../errors.ts";
import type { Cluster } from "./cluster.ts";
import type { Connection } from "./connection.ts";
import { type Covers, type Line, RedirectedError } from "./line.ts";
import type { Script } from "./script.ts";

/** Times that one call is sent on. */
const REDIRECTIONS = 16;

interface Job {
  readonly send: (connection: Connection, asking: boolean) => Promise<unknown>;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly generation: number;
  redirected: RedirectedError | undefined;
  redirections: number;
}

export class SlotLine implements Line {
  readonly #slot: number;
  readonly #cluster: Cluster;
  #underWay = 0;
  /** Calls that go again, or wait for those; empty while all is as it should be. */
  #again: Job[] = [];
  #waiting: Job[] = [];
  #settling = false;

  constructor(slot: number, cluster: Cluster) {
    this.#slot = slot;
    this.#cluster = cluster;
  }

  run(script: Script, bytes: Buffer): Promise<unknown> {
    return this.#call((connection, asking) => connection.run(script, bytes, asking));
  }
  command(name: string, bytes: Buffer): Promise<unknown> {
    return this.#call((connection, asking) => connection.command(name, bytes, asking));
  }

  /** A view of this line whose calls are each followed by what covers them, where they are carried out (B2). */
  covered(covers: Covers): Line {
    return {
      run: (script, bytes) => this.#call((connection, asking) => covers.after(connection, () => connection.run(script, bytes, asking), asking)),
      command: (name, bytes) => this.#call((connection, asking) => covers.after(connection, () => connection.command(name, bytes, asking), asking)),
    };
  }

  #call(send: Job["send"]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const job: Job = { send, resolve, reject, generation: this.#cluster.generation, redirected: undefined, redirections: 0 };
      if (this.#settling || this.#again.length > 0) this.#waiting.push(job);
      else this.#send(job, this.#cluster.primaryOf(this.#slot), false);
    });
  }

  #send(job: Job, connection: Connection | undefined, asking: boolean): void {
    if (connection === undefined) {
      this.#cluster.lookSoon();
      job.reject(this.#cluster.unavailable(this.#slot));
      return;
    }
    this.#underWay++;
    job.redirected = undefined;
    job.send(connection, asking).then(
      (reply) => {
        this.#underWay--;
        job.resolve(reply);
        this.#settleSoon();
      },
      (error: unknown) => {
        this.#underWay--;
        if (error instanceof RedirectedError && ++job.redirections <= REDIRECTIONS) {
          job.redirected = error;
          this.#again.push(job);
        } else {
          if (error instanceof StoreUnavailableError) this.#cluster.lookSoon();
          job.reject(error);
        }
        this.#settleSoon();
      },
    );
  }

  /** When nothing is under way any more: what was redirected goes on, and then what has waited for it. */
  #settleSoon(): void {
    if (this.#underWay > 0 || this.#settling || this.#again.length === 0) return;
    this.#settling = true;
    const again = this.#again;
    this.#again = [];
    void this.#settle(again);
  }

  async #settle(again: readonly Job[]): Promise<void> {
    const moved = again.find(({ redirected }) => redirected?.asking === false)?.redirected;
    const asked = again.find(({ redirected }) => redirected?.asking === true)?.redirected;
    const target = asked === undefined ? undefined : await this.#cluster.node(asked.address).catch(() => undefined);
    if (moved !== undefined) await this.#cluster.look(moved.address).catch(() => {});
    // From here on nothing is awaited: what is called now comes after all of these.
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#settling = false;
    const primary = this.#cluster.primaryOf(this.#slot);
    for (const job of [...again, ...waiting]) {
      const asking = job.redirected?.asking === true;
      if (job.generation !== this.#cluster.generation) job.reject(this.#cluster.unavailable(this.#slot));
      else this.#send(job, asking ? target : primary, asking);
    }
  }
}
