/**
 * What stands in the BullMQ job of an effect: the record, exact to the bit for whoever performs it and readable for
 * people who look at a dashboard, and what became of it. Owns both directions; knows nothing of queues.
 */
import { decodePlain, encodePlain } from "../computation/cbor-codec.ts";
import { openValue, sealValue } from "../computation/envelope.ts";
import type { EffectSettings } from "../effects/effect.ts";
import type { EffectOutcome, EffectTask } from "../effects/effects.ts";
import { DecodeError, InvalidUseError, messageOf } from "../errors.ts";
import type { StreamRecord } from "../record.ts";
import { jsonLine } from "../sinks/json-line.ts";
import type { HandledJob } from "./bullmq-module.ts";

export interface EffectJobData {
  readonly id: string;
  readonly idempotencyKey: string;
  readonly key: string;
  readonly timestamp: number;
  readonly late: boolean;
  /** For people: JSON, or the beginning of it as text. */
  readonly value: unknown;
  /** The value in its envelope, base64. */
  readonly bytes: string;
}

/** What `perform` returned. */
interface Returned {
  readonly attempts: number;
  /** For people. */
  readonly value?: unknown;
  /** CBOR, base64; only where the effect has results. */
  readonly bytes?: string;
}

/** Characters of JSON that people are shown. */
const SHOWN = 4_096;

export function jobDataOf({ settings, record, idempotencyKey }: EffectTask): EffectJobData {
  const { id, key, timestamp, late, value } = record;
  const bytes = base64(sealValue(settings.stream.codec, value));
  return { id, idempotencyKey, key, timestamp, late, value: shown(value), bytes };
}

/** Throws `DecodeError`, or `IncompatibleDataError` where another codec wrote it. */
export function recordOf(settings: EffectSettings, job: HandledJob): { readonly record: StreamRecord<unknown>; readonly idempotencyKey: string } {
  const { id, idempotencyKey, key, timestamp, late, bytes } = Object(job.data) as Partial<EffectJobData>;
  if (typeof id !== "string" || typeof idempotencyKey !== "string" || typeof key !== "string" || typeof timestamp !== "number" || typeof bytes !== "string")
    throw new DecodeError(`job "${job.id}" of effect "${settings.name}" was not written by Millrace`);
  const { value } = openValue(settings.stream.codec, Buffer.from(bytes, "base64"), `job "${job.id}" of effect "${settings.name}"`);
  const record = { id, key, value, timestamp, late: late === true, is: (): this is never => false } as StreamRecord<unknown>;
  return { record, idempotencyKey };
}

/** Throws `InvalidUseError` where there are results and the value cannot be one. */
export function returnedOf(settings: EffectSettings, value: unknown, attempts: number): Returned {
  const readable = value === undefined ? {} : { value: shown(value) };
  if (settings.results === undefined) return { attempts, ...readable };
  try {
    return { attempts, ...readable, bytes: base64(encodePlain(value)) };
  } catch (error) {
    throw new InvalidUseError(`effect "${settings.name}" returned what cannot be stored: ${messageOf(error)}`, { cause: error });
  }
}

/** Of the job's return value, as a worker or an event has it. */
export function performedOf(returned: unknown): EffectOutcome {
  const { attempts, bytes } = Object(returned) as Partial<Returned>;
  if (typeof attempts !== "number" || typeof bytes !== "string")
    return { kind: "failed", error: new DecodeError("the job was completed by a worker that is not Millrace's, so there is no result"), attempts: 1 };
  try {
    return { kind: "performed", value: decodePlain(Buffer.from(bytes, "base64")), attempts };
  } catch (error) {
    return { kind: "failed", error: new DecodeError(`its result cannot be read: ${messageOf(error)}`, { cause: error }), attempts };
  }
}

/** What became of a job; undefined: it is still to be performed. */
export function outcomeOf(job: HandledJob): EffectOutcome | undefined {
  if (typeof job.finishedOn !== "number") return undefined;
  if (typeof Object(job.returnvalue as unknown).attempts === "number") return performedOf(job.returnvalue);
  if (typeof job.failedReason !== "string") return performedOf(job.returnvalue);
  return { kind: "failed", error: new Error(job.failedReason), attempts: Math.max(job.attemptsMade, 1) };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** Never a reason to fail: it is only shown. */
function shown(value: unknown): unknown {
  try {
    const text = jsonLine(value);
    return text.length <= SHOWN ? (JSON.parse(text) as unknown) : `${text.slice(0, SHOWN)}…`;
  } catch (error) {
    return `(cannot be shown: ${messageOf(error)})`;
  }
}
