/** Records and timers as user code sees them: made for one call, safe to keep. */
import type { Input } from "../computation/input.ts";
import type { Timer, TimerFamily, TimerSlot } from "../computation/timer.ts";
import type { Of, StreamRecord } from "../record.ts";
import type { Keyed } from "./keyed.ts";
import { type Origin, type ParcelRecord, placeId, Production } from "./parcel.ts";
import type { PlannedComputation } from "./plan.ts";
import type { Produced } from "./produce.ts";
import type { RecordWork, TimerWork } from "./work.ts";

export class UserRecord<T = unknown> implements StreamRecord<T> {
  readonly key: string;
  readonly value: T;
  readonly timestamp: number;
  readonly late: boolean;
  readonly #work: RecordWork;
  readonly #keyed: Keyed | undefined;

  constructor(work: RecordWork, value: unknown, keyed: Keyed | undefined) {
    this.key = work.record.key;
    this.value = value as T;
    this.timestamp = work.record.timestamp;
    this.late = work.late;
    this.#work = work;
    this.#keyed = keyed;
  }

  get id(): string {
    const { record } = this.#work;
    return record.id ?? placeId(record.sender, record.monotonic, record.place);
  }

  /** The record as it is stored, or would be, for what stands around handlers. */
  static stored(given: UserRecord): ParcelRecord {
    const { record } = given.#work;
    if (record instanceof Production) record.enclose();
    return record;
  }

  is<U>(input: Input<U>): this is UserRecord<U> & StreamRecord<U> & Of<Input<U>> {
    return this.#keyed?.inputOf(input) === this.#work.record.input;
  }
}

/** A record as it is produced, for a sink in the store. */
export class ProducedRecord implements StreamRecord<unknown> {
  readonly key: string;
  readonly value: unknown;
  readonly timestamp: number;
  readonly late = false;
  readonly #produced: Produced;
  readonly #origin: Origin;

  constructor(produced: Produced, origin: Origin) {
    this.key = produced.senderKey;
    this.value = produced.value;
    this.timestamp = produced.timestamp;
    this.#produced = produced;
    this.#origin = origin;
  }

  get id(): string {
    return this.#produced.id ?? placeId(this.#origin.sender, this.#origin.monotonic, this.#produced.place);
  }

  is(): this is never {
    return false;
  }
}

export class UserTimer<Tag = unknown> implements Timer<Tag> {
  readonly tag: Tag;
  readonly time: number;
  readonly clock: "watermark" | "wall";
  readonly #index: number;
  readonly #keyed: Keyed;

  constructor(work: TimerWork, node: PlannedComputation["timers"][number]["node"], keyed: Keyed) {
    this.tag = work.address.tag as Tag;
    this.time = work.time;
    this.clock = node.clock;
    this.#index = work.address.timer;
    this.#keyed = keyed;
  }

  is<U>(timer: TimerSlot<U> | TimerFamily<U>): this is UserTimer<U> & Timer<U> & Of<TimerSlot<U>> {
    const handle = timer as { readonly family?: object; readonly tag?: unknown };
    if (this.#keyed.timerIdOf(handle.family ?? timer) !== this.#index) return false;
    return handle.family === undefined || handle.tag === this.tag;
  }
}
