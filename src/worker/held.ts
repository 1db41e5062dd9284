/**
 * How work that stands aside is stored: records and timer firings in `held`, with their failed tries, and what was
 * parked in dead letters. Both as CBOR of plain data.
 */
import { decodePlain, encodePlain } from "../computation/cbor-codec.ts";
import { messageOf } from "../errors.ts";
import { parseTimerMember } from "../store/address.ts";
import type { Numbered, TimerClock } from "../store/index.ts";
import { placeId, valueOf } from "./parcel.ts";
import type { Work } from "./work.ts";

interface StoredHeld {
  readonly attempts: number;
  readonly halted: boolean;
  readonly hold: number;
  readonly reason: string | undefined;
  readonly record?: StoredRecord;
  readonly timer?: { readonly clock: TimerClock; readonly member: string; readonly time: number; readonly output: number | undefined };
}

interface StoredRecord {
  readonly input: number;
  readonly timestamp: number;
  readonly key: string;
  readonly value: Uint8Array;
  readonly id: string | undefined;
  readonly sender: number;
  readonly monotonic: number;
  readonly place: number;
}

export function heldBytes(work: Work, halted: boolean, error?: unknown): Uint8Array {
  const head = { attempts: work.attempts, halted, hold: work.hold, reason: error === undefined ? undefined : messageOf(error) };
  if (work.kind === "timer") return encodePlain({ ...head, timer: { clock: work.clock, member: work.member, time: work.time, output: work.output } });
  const { refused: _, bytes: _bytes, from: _from, to: _to, ...record } = work.record;
  return encodePlain({ ...head, record: { ...record, value: valueOf(work.record) } });
}

export function parseHeld(entry: Numbered): { readonly work: Work; readonly halted: boolean } {
  const stored = decodePlain(entry.bytes) as StoredHeld;
  const base = { key: undefined, hold: stored.hold, attempts: stored.attempts, held: entry.id, batch: undefined };
  if (stored.timer !== undefined) {
    return { work: { ...base, kind: "timer", ...stored.timer, address: parseTimerMember(stored.timer.member), fired: undefined }, halted: stored.halted };
  }
  const record = stored.record as StoredRecord;
  const { value, ...rest } = record;
  return {
    work: { ...base, kind: "record", record: { ...rest, bytes: value, from: 0, to: value.length, refused: false }, late: false },
    halted: stored.halted,
  };
}

export const keyOf = (work: Work): string => (work.kind === "record" ? work.record.key : work.address.key);

/** A dead letter, as it is read back by people. */
export interface DeadLetter {
  readonly kind: "record" | "timer";
  readonly key: string;
  readonly id: string | undefined;
  /** Event time of the record, or the timer's time. */
  readonly timestamp: number;
  readonly input: number | undefined;
  readonly timer: string | undefined;
  /** The value's envelope, as it was stored. */
  readonly value: Uint8Array | undefined;
  readonly reason: string;
  readonly attempts: number;
  /** Processing time at which it was parked, ms. */
  readonly at: number;
}

export function deadLetter(work: Work, error: unknown, at: number): Uint8Array {
  if (work.kind === "timer") {
    const letter: DeadLetter = {
      kind: "timer",
      key: work.address.key,
      id: undefined,
      timestamp: work.time,
      input: undefined,
      timer: work.member,
      value: undefined,
      reason: messageOf(error),
      attempts: work.attempts,
      at,
    };
    return encodePlain(letter);
  }
  const { record } = work;
  const id = record.id ?? placeId(record.sender, record.monotonic, record.place);
  let value: Uint8Array = valueOf(record);
  let reason = messageOf(error);
  if (record.refused) ({ reason, value } = decodePlain(value) as { reason: string; value: Uint8Array });
  const letter: DeadLetter = {
    kind: "record",
    key: record.key,
    id,
    timestamp: record.timestamp,
    input: record.input,
    timer: undefined,
    value,
    reason,
    attempts: work.attempts,
    at,
  };
  return encodePlain(letter);
}

/** What an injector refuses at the door. */
export function refusedAtTheDoor(letter: {
  readonly value: Uint8Array | undefined;
  readonly id: string | undefined;
  readonly timestamp: number;
  readonly reason: string;
  readonly at: number;
}): Uint8Array {
  const whole: DeadLetter = { kind: "record", key: "", input: undefined, timer: undefined, attempts: 1, ...letter };
  return encodePlain(whole);
}

export const parseDeadLetter = (bytes: Uint8Array): DeadLetter => decodePlain(bytes) as DeadLetter;
