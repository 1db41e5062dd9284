/**
 * What one stream takes from HTTP: looks at each record before it is let in, and hands records in as there is room. It
 * reads no bytes and answers nothing.
 *
 * I1  What can be known to be wrong with a record (schema, codec, id, timestamp) is known here, before it is handed in:
 *     the engine would put it into dead letters, and the client would send it again.
 */
import type { Clock } from "../clock.ts";
import type { Validated } from "../computation/schema.ts";
import { refusalOfId } from "../dedup/client-id.ts";
import { messageOf } from "../errors.ts";
import type { HttpDoor, HttpRecord } from "../injectors/http-door.ts";
import { HttpReceipt } from "../injectors/http-receipt.ts";
import { validateInTime } from "../injectors/validated-source.ts";
import { RequestError } from "../inspect/request-error.ts";
import { type ShardRef, shardRef } from "../key.ts";
import type { Random } from "../random.ts";
import { refuseTimestamp } from "../watermark/timestamps.ts";
import type { PlannedInjector } from "../worker/plan.ts";
import { payloadOf } from "../worker/produce.ts";
import type { Worker } from "../worker/worker.ts";
import type { Draft } from "./cloud-event.ts";
import { read, type ReadOutcome, refused } from "./read-outcome.ts";

/** ms that a group of records may wait for room, and that what was handed in may take to be committed. */
const PATIENCE = 30_000;

export interface IntakeOptions {
  readonly worker: Worker;
  readonly planned: PlannedInjector;
  readonly door: HttpDoor;
  /** Do clients post to it, or does the program alone push? */
  readonly posted: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

export class Intake {
  readonly #worker: Worker;
  readonly planned: PlannedInjector;
  readonly posted: boolean;
  readonly #door: HttpDoor;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor({ worker, planned, door, posted, clock, random }: IntakeOptions) {
    this.#worker = worker;
    this.planned = planned;
    this.#door = door;
    this.posted = posted;
    this.#clock = clock;
    this.#random = random;
  }

  get stream(): string {
    return this.planned.output.name;
  }
  /** Records by what became of them, since the process started. */
  get counted(): HttpDoor["counted"] {
    return this.#door.counted;
  }

  /** Of which all that comes in here becomes a part. */
  get shard(): ShardRef {
    return shardRef(this.planned.id, 0);
  }
  /** Records that were taken here and are not told of. */
  get waiting(): number {
    return this.#door.waiting;
  }

  /** RequestError where nothing can be taken now. */
  checkReady(): void {
    if (!this.isOpen) throw new RequestError(503, "not-open", `${this.whyClosed}; send again`);
    if (this.#door.full || this.#worker.engine.blocked(this.planned.id))
      throw new RequestError(503, "back-pressure", `stream ${this.stream} has more records waiting than it may: send again later`);
  }

  /** A worker that stops commits what it has begun, and begins nothing. */
  get isOpen(): boolean {
    return this.#door.isOpen && !this.#worker.engine.stopping;
  }

  get stopping(): boolean {
    return this.#worker.engine.stopping;
  }

  get whyClosed(): string {
    const { engine } = this.#worker;
    if (engine.stopping) return "the worker is stopping";
    const other = engine.ownership.otherOwnerOf(this.shard);
    if (other !== undefined) return `injector ${this.planned.name} belongs to worker ${other}`;
    return `injector ${this.planned.name} is not open: the worker is starting, or has failed`;
  }

  /** A record that may be handed in. `given`: the id, where the request gives one; `bytes`: of its text. A promise only where the schema gives one. */
  check(draft: Draft, given: string | undefined, bytes: number): ReadOutcome<HttpRecord> | Promise<ReadOutcome<HttpRecord>> {
    const { schema } = this.planned.node.source;
    if (schema === undefined) return this.#check(draft, given, bytes);
    const checked = (outcome: Validated): ReadOutcome<HttpRecord> =>
      "refused" in outcome ? this.refuse(`the schema refuses the value: ${outcome.refused}`) : this.#check({ ...draft, value: outcome.value }, given, bytes);
    const validated = validateInTime(schema, draft.value, this.#clock);
    return validated instanceof Promise ? validated.then(checked) : checked(validated);
  }

  #check({ value, id: own, timestamp: told }: Draft, given: string | undefined, bytes: number): ReadOutcome<HttpRecord> {
    const { source } = this.planned.node;
    try {
      const id: unknown = typeof source.id === "function" ? source.id(value) : (given ?? own ?? this.#random.id());
      const timestamp: unknown = source.timestamp === undefined ? told : source.timestamp(value);
      const wrong =
        refusalOfId(id) ??
        (timestamp === undefined && source.timestamp === undefined ? undefined : refuseTimestamp(timestamp, this.#clock.now(), source.maxAhead));
      if (wrong !== undefined) return this.refuse(wrong);
      payloadOf(this.planned.output, value);
      return read({ value, id: id as string, timestamp: timestamp as number | undefined, bytes });
    } catch (error) {
      return this.refuse(messageOf(error));
    }
  }

  /** Counts a record that is refused. */
  refuse(reason: string): { readonly refused: string } {
    this.counted.refused += 1;
    return refused(reason);
  }

  /** Takes all of them, however many wait. RequestError where it is closed. */
  hand(records: readonly HttpRecord[], receipt: HttpReceipt): void {
    if (!this.isOpen || !this.#door.hand(records, receipt)) throw new RequestError(503, "not-open", `${this.whyClosed}; send again`);
  }

  /** The same, once there is room. RequestError where there is none for long. */
  async handInTurn(records: readonly HttpRecord[], receipt: HttpReceipt): Promise<void> {
    if (records.length === 0) return;
    const until = this.#clock.now() + PATIENCE;
    // Others were woken by the same room.
    while (this.#door.full) {
      if (!(await this.#door.room(until - this.#clock.now(), this.#clock)))
        throw new RequestError(503, "back-pressure", `stream ${this.stream} has had no room for ${PATIENCE / 1_000} s: send the rest later`);
    }
    this.hand(records, receipt);
  }

  /** Settles when all that was handed in is told of, or has not been for long. */
  settled(receipt: HttpReceipt): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(PATIENCE, resolve);
      receipt.onceTold(() => {
        cancel();
        resolve();
      });
    });
  }
}
