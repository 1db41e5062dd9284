/**
 * The door of an injector of HTTP or pushes: whoever took records hands them in here, and is told when they are durable. It
 * parses nothing and judges nothing; the server does before, the engine after.
 *
 * D1  Records are taken only while a reader of the source is open, which is while a worker owns the injector. Each is
 *     told of once: by the engine after its commit, or, where the reader is closed before, as `unknown` (it was given to
 *     the engine) or `untaken` (it was not).
 * D2  What is taken and not told of is bounded by RECORDS and BYTES, and by the one group that went beyond.
 */
import type { Clock } from "../clock.ts";
import { HTTP_WAITING_BYTES, HTTP_WAITING_RECORDS } from "../limits.ts";
import type { HttpFate, HttpReceipt } from "./http-receipt.ts";
import type { ItemFate, Pulled, SourceContext, SourceItem, SourceReader } from "./injector.ts";
import { WakeUp } from "./wake-up.ts";

/** A record as a client gave it, found to be right as far as that can be known before it is injected. */
export interface HttpRecord {
  readonly value: unknown;
  readonly id: string;
  /** undefined: the time of its arrival. */
  readonly timestamp: number | undefined;
  /** About what it takes in memory: the bytes of its text. */
  readonly bytes: number;
}

/** Bytes given to the engine at once, as far as they are of more than one record. */
const PULL_BYTES = 1 << 20;
/** The source has no positions: nothing can be read again, whoever is not answered sends again. */
const POSITION = 0;
const NONE: readonly never[] = [];

export class HttpDoor {
  #reader: HttpReader | undefined = undefined;
  /** Since the process started. */
  readonly counted = { accepted: 0, duplicate: 0, refused: 0 };

  /** Opens it: the newest reader has the door. */
  open(context: SourceContext): SourceReader {
    const reader = new HttpReader(context, this.counted, () => {
      if (this.#reader === reader) this.#reader = undefined;
    });
    this.#reader = reader;
    return reader;
  }

  get isOpen(): boolean {
    return this.#reader !== undefined;
  }
  /** Records that were taken and are not told of. */
  get waiting(): number {
    return this.#reader?.waiting ?? 0;
  }
  /** It has no room now; what is closed is not full. */
  get full(): boolean {
    return this.#reader?.full ?? false;
  }

  /** Takes all of them, or, if it is closed, none and gives false. Whoever hands in many looks for room before. */
  hand(records: readonly HttpRecord[], receipt: HttpReceipt): boolean {
    if (this.#reader === undefined) return false;
    receipt.handed += records.length;
    this.#reader.take(records, receipt);
    return true;
  }

  /** Waits until there is room, or it is closed. False: there was none within `patience` ms of the clock. */
  room(patience: number, clock: Clock): Promise<boolean> {
    return this.#reader === undefined ? Promise.resolve(true) : this.#reader.room(patience, clock);
  }
}

interface Ticket {
  readonly receipt: HttpReceipt;
  readonly id: string;
  readonly bytes: number;
}

class HttpReader implements SourceReader {
  readonly #signal: AbortSignal;
  readonly #counted: HttpDoor["counted"];
  readonly #onClose: () => void;
  readonly #wakeUp = new WakeUp();
  /** Taken and not given to the engine; given and not told of. Each in order, with its ticket. */
  #items: SourceItem[] = [];
  #queued: Ticket[] = [];
  #given: Ticket[] = [];
  #bytes = 0;
  readonly #waiters = new Set<() => void>();

  constructor({ signal }: SourceContext, counted: HttpDoor["counted"], onClose: () => void) {
    this.#signal = signal;
    this.#counted = counted;
    this.#onClose = onClose;
    signal.addEventListener("abort", this.#wakeUp.wake);
  }

  get waiting(): number {
    return this.#queued.length + this.#given.length;
  }
  get full(): boolean {
    return this.waiting >= HTTP_WAITING_RECORDS || this.#bytes >= HTTP_WAITING_BYTES;
  }

  take(records: readonly HttpRecord[], receipt: HttpReceipt): void {
    for (const { value, id, timestamp, bytes } of records) {
      this.#items.push({ value, id, timestamp, position: POSITION, parent: receipt.parent });
      this.#queued.push({ receipt, id, bytes });
      this.#bytes += bytes;
    }
    this.#wakeUp.wake();
  }

  async pull(max: number): Promise<Pulled> {
    while (this.#items.length === 0 && !this.#signal.aborted) await this.#wakeUp.wait();
    if (this.#signal.aborted) return { items: NONE, done: false };
    let count = 0;
    for (let bytes = 0; count < Math.min(max, this.#items.length) && bytes < PULL_BYTES; count++) bytes += (this.#queued[count] as Ticket).bytes;
    this.#given.push(...this.#queued.splice(0, count));
    return { items: this.#items.splice(0, count), done: false };
  }

  confirm(fates: readonly ItemFate[]): void {
    const tickets = this.#given.splice(0, fates.length);
    tickets.forEach((ticket, i) => {
      const fate = fates[i] as ItemFate;
      this.#counted[fate.kind === "injected" ? "accepted" : fate.kind] += 1;
      this.#tell(ticket, fate);
    });
    if (!this.full) this.#wakeAll();
  }

  close(): Promise<void> {
    this.#signal.removeEventListener("abort", this.#wakeUp.wake);
    this.#onClose();
    const [given, queued] = [this.#given, this.#queued];
    this.#given = [];
    this.#queued = [];
    this.#items = [];
    for (const ticket of given) this.#tell(ticket, { kind: "unknown" });
    for (const ticket of queued) this.#tell(ticket, { kind: "untaken" });
    this.#wakeAll();
    return Promise.resolve();
  }

  #tell({ receipt, id, bytes }: Ticket, fate: HttpFate): void {
    this.#bytes -= bytes;
    receipt.tell(id, fate);
  }

  room(patience: number, clock: Clock): Promise<boolean> {
    if (!this.full) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (room: boolean) => {
        cancel();
        this.#waiters.delete(wake);
        resolve(room);
      };
      const wake = () => settle(true);
      const cancel = clock.after(patience, () => settle(false));
      this.#waiters.add(wake);
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiters]) wake();
  }
}
