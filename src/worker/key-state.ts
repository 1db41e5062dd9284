/**
 * One key of one shard in its owner's memory: its cells, and the lane in which its work is done one by one.
 *
 * I1  `bytes` of a cell are what the last sealed batch wrote (or the store had); `value` may be newer and is encoded
 *     when the batch is sealed.
 * I2  While `running` is set no other work of the key runs.
 * I3  Work in `held` goes before work in `waiting`.
 */
import { moveKept } from "../computation/cbor-codec.ts";
import { openValue, sealValue } from "../computation/envelope.ts";
import { LimitExceededError } from "../errors.ts";
import { STATE_BYTES } from "../limits.ts";
import { stateField } from "../store/address.ts";
import type { PlannedComputation } from "./plan.ts";
import type { Work } from "./work.ts";

export type PlannedCell = PlannedComputation["cells"][number];

export class Cell {
  readonly planned: PlannedCell;
  /** Its address in the store. */
  readonly field: string;
  /** As last sealed or read; undefined: absent. */
  bytes: Uint8Array | undefined;
  value: unknown = undefined;
  present = false;
  /** Is `value` the decoded form of what the cell holds? */
  decoded = false;
  /** Written in the open batch. */
  dirty = false;
  expiresAt: number | undefined = undefined;
  #encoded: Uint8Array | undefined = undefined;
  /** The batch that has its bytes, and where. */
  batch: object | undefined = undefined;
  place = 0;

  constructor(planned: PlannedCell, key: string, bytes: Uint8Array | undefined) {
    this.planned = planned;
    this.field = stateField(planned.id, key);
    this.bytes = bytes;
  }

  /** Decodes what was last sealed, unless that is done. Throws `DecodeError`. */
  open(): void {
    if (this.decoded) return;
    if (this.bytes === undefined) {
      this.present = false;
      this.value = undefined;
      this.expiresAt = undefined;
    } else {
      const opened = openValue(this.planned.node.codec, this.bytes);
      this.present = true;
      this.value = opened.value;
      this.expiresAt = opened.expiresAt;
    }
    this.decoded = true;
  }

  /** Encodes what was written; `seal` takes it over. Throws what the codec throws, or `LimitExceededError`. */
  encode(): void {
    this.#encoded = undefined;
    if (!this.present) return;
    const { name, codec } = this.planned.node;
    const bytes = sealValue(codec, this.value, this.expiresAt);
    if (bytes.length > STATE_BYTES)
      throw new LimitExceededError(`state "${name}" is ${bytes.length} bytes, more than ${STATE_BYTES}: split it over keys or keep less`);
    this.#encoded = bytes;
  }

  /** What was encoded is what the cell holds. */
  seal(): void {
    this.bytes = this.#encoded;
    this.#encoded = undefined;
    this.dirty = false;
  }

  /** Forgets what was done to the value since the last seal: also what a failed call changed in place and never wrote. */
  revert(): void {
    this.dirty = false;
    this.decoded = false;
    this.value = undefined;
  }
}

/** Most keys never have work that waits: they share this. */
const NONE: Work[] = Object.freeze([]) as unknown as Work[];

/** `list` with `work` at its end. */
export function add(list: Work[], work: Work): Work[] {
  if (list === NONE) return [work];
  list.push(work);
  return list;
}

export class KeyState {
  readonly key: string;
  readonly cells: readonly Cell[];
  /** The key's own hold on the output watermark. */
  hold: number | undefined;
  running: Work | undefined = undefined;
  /** Work of the open batch that waits for `running`. */
  waiting: Work[] = NONE;
  /** Stands aside in the store, oldest first. */
  held: Work[] = NONE;
  /** The oldest of `held` may be tried again from then on, ms by the worker's clock; Infinity: halted. */
  retryAt = 0;
  /** The batch in which work of the key was done last. */
  batch: object | undefined = undefined;
  /** Among whose keys it is, while its cells are to be encoded. */
  unencoded: object | undefined = undefined;
  /** A write of the open batch does not encode: encode call by call, to find whose it is. */
  careful = false;
  /** Used since the cache was last swept. */
  used = true;
  /** Its bytes are newer than when the cache last passed it. */
  isFresh = true;
  size = 0;

  constructor(key: string, cells: readonly Cell[], hold: number | undefined) {
    this.key = key;
    this.cells = cells;
    this.hold = hold;
    this.weigh();
  }

  get idle(): boolean {
    return this.running === undefined && this.waiting.length === 0 && this.held.length === 0 && !this.dirty;
  }

  /** Is nothing of it stored, as far as was sealed? */
  get empty(): boolean {
    if (this.hold !== undefined) return false;
    for (const cell of this.cells) if (cell.bytes !== undefined) return false;
    return true;
  }

  /** Has a cell been written since it was last encoded? */
  get dirty(): boolean {
    for (const cell of this.cells) if (cell.dirty) return true;
    return false;
  }

  /** The time to live of the cell with this id is over, unless it was written again. Has it gone, with something to delete? */
  expire(id: unknown, now: number): boolean {
    const cell = this.cells.find((each) => each.planned.id === id);
    try {
      cell?.open();
    } catch {
      return false;
    }
    if (cell === undefined) return false;
    // One that is not present was found expired by a call, or deleted; its bytes may still be stored.
    const gone = cell.present ? cell.expiresAt !== undefined && cell.expiresAt <= now : cell.bytes !== undefined;
    if (!gone) return false;
    cell.present = false;
    cell.value = undefined;
    cell.expiresAt = undefined;
    cell.dirty = true;
    return true;
  }

  /** Puts its bytes on the newest page of those that are kept. */
  move(): void {
    for (const cell of this.cells) if (cell.bytes !== undefined) cell.bytes = moveKept(cell.bytes);
  }

  /** Approximate bytes in memory. */
  weigh(): number {
    let size = 300 + 2 * this.key.length;
    for (const cell of this.cells) size += 100 + 3 * (cell.bytes?.length ?? 0);
    this.size = size;
    return size;
  }
}

/** A key's hold, as it is stored. */
export function holdBytes(hold: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleLE(hold);
  return bytes;
}
