/**
 * How work that stands aside is stored: records and timer firings in `held`, with their failed tries, and what was
 * parked in dead letters. Both as CBOR of plain data. Whatever the bytes are, reading them gives what its type says, or
 * throws `DecodeError`.
 */
import { decodeStored, encodePlain } from "../computation/cbor-codec.ts";
import { DecodeError, messageOf } from "../errors.ts";
import { parseTimerMember } from "../store/address.ts";
import type { Numbered, TimerClock } from "../store/index.ts";
import { placeId, valueOf } from "./parcel.ts";
import type { Work } from "./work.ts";

interface StoredHeld {
  readonly attempts: number;
  readonly halted: boolean;
  readonly hold: number;
  readonly reason: string | undefined;
  /** Times the process has begun it alone and not ended it; absent: never. */
  readonly begun?: number;
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
  const head = {
    attempts: work.attempts,
    halted,
    hold: work.hold,
    reason: error === undefined ? undefined : messageOf(error),
    ...(work.begun > 0 && { begun: work.begun }),
  };
  if (work.kind === "timer") return encodePlain({ ...head, timer: { clock: work.clock, member: work.member, time: work.time, output: work.output } });
  const { input, timestamp, key, id, sender, monotonic, place } = work.record;
  return encodePlain({ ...head, record: { input, timestamp, key, id, sender, monotonic, place, value: valueOf(work.record) } satisfies StoredRecord });
}

export function parseHeld(entry: Numbered): { readonly work: Work; readonly halted: boolean } {
  const stored = decodeStored(entry.bytes, "a held record") as StoredHeld;
  check(isHeld(stored), "held record", entry.bytes);
  const base = { key: undefined, hold: stored.hold, attempts: stored.attempts, begun: stored.begun ?? 0, held: entry.id, batch: undefined };
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
  if (record.refused) ({ reason, value } = decodeStored(value, "a refused record") as { reason: string; value: Uint8Array });
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

export function parseDeadLetter(bytes: Uint8Array): DeadLetter {
  const letter = decodeStored(bytes, "a dead letter") as DeadLetter;
  check(isDeadLetter(letter), "dead letter", bytes);
  return letter;
}

/** The work that a dead letter was, to be held under `held`; a sentence, if it can never be done. */
export function workOf(letter: DeadLetter, held: number, hold: number, clockOf: (timer: number) => TimerClock | false): Work | string {
  const base = { key: undefined, hold, attempts: 0, begun: 0, held, batch: undefined };
  const { key, timestamp, input, timer, value } = letter;
  if (letter.kind === "timer") {
    const address = parseTimerMember(timer as string);
    const clock = clockOf(address.timer);
    if (clock === false) return "the code has its timer no more: discard it";
    return { ...base, kind: "timer", clock, member: timer as string, address, time: timestamp, output: hold, fired: undefined };
  }
  if (key === "" || input === undefined || value === undefined) return "its key extractor refused it, so it has no key: correct the value and send it anew";
  // Its id is kept, so that an effect that is tried again has the same idempotency key.
  const record = { input, timestamp, key, id: letter.id, sender: 0, monotonic: 0, place: 0, bytes: value, from: 0, to: value.length, refused: false };
  return { ...base, kind: "record", record, late: false };
}

// ── is it what was stored? ────────────────────────────────────────────────────────────────────────────────────────────

function check(holds: boolean, what: string, bytes: Uint8Array): void {
  if (!holds) throw new DecodeError(`a ${what} of ${bytes.length} bytes is not what Millrace writes; it was damaged or written by another version`);
}

const isNumber = (value: unknown): boolean => typeof value === "number";
const isText = (value: unknown): boolean => typeof value === "string";
const isTime = (value: unknown): boolean => Number.isFinite(value);
const isBytes = (value: unknown): boolean => value instanceof Uint8Array;
const isClock = (value: unknown): boolean => value === "watermark" || value === "wall";
const isOptional = (is: (value: unknown) => boolean, value: unknown): boolean => value === undefined || is(value);

function isHeld(stored: StoredHeld | null | undefined): boolean {
  if (!isTime(stored?.attempts) || !isOptional(isTime, stored?.begun) || !isNumber(stored?.hold) || typeof stored?.halted !== "boolean") return false;
  const { timer, record } = stored;
  if (timer !== undefined) return isText(timer?.member) && isClock(timer.clock) && isTime(timer.time) && isOptional(isNumber, timer.output);
  if (!isText(record?.key) || !isBytes(record?.value) || !isOptional(isText, record?.id)) return false;
  return [record?.input, record?.timestamp, record?.sender, record?.monotonic, record?.place].every(isTime);
}

/** The timestamp that an injector refused may be anything that is called a number. */
function isDeadLetter(letter: Partial<DeadLetter> | null | undefined): boolean {
  if (letter?.kind !== "record" && letter?.kind !== "timer") return false;
  const { key, reason, timestamp, attempts, at, id, input, timer, value } = letter;
  if (!isText(key) || !isText(reason) || !isNumber(timestamp) || !isTime(attempts) || !isTime(at)) return false;
  return isOptional(isText, id) && isOptional(isTime, input) && isOptional(isText, timer) && isOptional(isBytes, value);
}
