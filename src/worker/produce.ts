/**
 * From a value to its deliveries: one production for each consumer of the stream that the value is for, with the key that
 * the consumer's own extractor gives. Filter and extractor run here, once, in the sender (a receiver never extracts); one
 * that throws sends that one delivery to the consumer's dead letters and hinders no one else.
 */
import { encodePlain } from "../computation/cbor-codec.ts";
import type { Codec } from "../computation/codec.ts";
import { encodePayload, sealValue } from "../computation/envelope.ts";
import type { Written } from "../computation/plain-cbor.ts";
import { validate } from "../computation/schema.ts";
import { InvalidUseError, LimitExceededError, messageOf } from "../errors.ts";
import { shardOf, shardRef } from "../key.ts";
import { KEY_BYTES, RECORD_BYTES } from "../limits.ts";
import { isStorable } from "../text.ts";
import { entryOf } from "./entries.ts";
import { type Origin, Production, whole } from "./parcel.ts";
import type { Consumer, PlannedStream } from "./plan.ts";
import { ProducedRecord } from "./user-view.ts";

/** Values of up to so many bytes are handed over in memory too: what waits in an inbox is bounded by its records. */
const COPIED_BYTES = 4_096;
/** Characters that the sender's key may lend to a record's own. */
const OWN_KEY = 200;

/** An entry has no value of ours. */
const NOTHING = whole(new Uint8Array(0));

export interface Produced {
  readonly value: unknown;
  readonly timestamp: number;
  readonly id: string | undefined;
  readonly place: number;
  /** The key under which it was produced: what a sink's records have. */
  readonly senderKey: string;
}

/**
 * Appends the deliveries of `produced` to `productions` and gives the bytes that it adds to a commit. Throws if the value
 * cannot be stored, and has appended nothing then.
 */
export function deliver(stream: PlannedStream, produced: Produced, origin: Origin, productions: Production[]): number {
  const first = productions.length;
  let payload: Written | undefined;
  for (const consumer of stream.consumers) {
    const verdict = verdictOf(consumer, produced.value);
    if (verdict === false) continue;
    payload ??= payloadOf(stream, produced.value);
    productions.push(verdict === true ? deliveryTo(consumer, produced, stream.codec, payload) : refused(consumer, produced, stream.codec, verdict.reason));
  }
  let bytes = 0;
  if (payload === undefined) checkSchema(stream, produced.value);
  else {
    bytes = payload.to - payload.from;
    // Whoever is given the copy may change it, so one is.
    if (bytes <= COPIED_BYTES) (productions[first] as Production).handOver(payload.copy);
  }
  return stream.appended.length === 0 ? bytes : bytes + append(stream, produced, origin, productions);
}

/** The same for sinks in the store: what their commit appends is made here, and no record is sent. Gives the bytes. */
function append(stream: PlannedStream, produced: Produced, origin: Origin, productions: Production[]): number {
  let bytes = 0;
  const added: Production[] = [];
  for (const sink of stream.appended) {
    const production = new Production(shardRef(sink.participant, 0), sink.input, produced, produced.senderKey, undefined, NOTHING);
    try {
      production.entry = entryOf(sink.to, new ProducedRecord(produced, origin));
      bytes += production.entry.bytes;
      added.push(production);
    } catch (error) {
      added.push(refused(sink, produced, stream.codec, messageOf(error), produced.senderKey));
    }
  }
  productions.push(...added);
  return bytes;
}

/** The bytes of a value that the stream may carry. Throws, with the reason, if it may not. */
export function payloadOf(stream: PlannedStream, value: unknown): Written {
  checkSchema(stream, value);
  const payload = encodePayload(stream.codec, value);
  const bytes = payload.to - payload.from;
  if (bytes > RECORD_BYTES) {
    throw new LimitExceededError(
      `a record of stream "${stream.name}" is ${bytes} bytes, more than ${RECORD_BYTES}: store large values elsewhere and send their address`,
    );
  }
  return payload;
}

/** Is it for this consumer? Or why that cannot be said. */
function verdictOf({ name, where }: Consumer, value: unknown): boolean | { readonly reason: string } {
  if (where === undefined) return true;
  try {
    const verdict: unknown = where(value);
    if (typeof verdict === "boolean") return verdict;
    // Not merely something that counts as true: a promise does.
    return { reason: `the filter of ${name} gave ${verdict instanceof Promise ? "a promise" : String(verdict)}: it gives true or false` };
  } catch (error) {
    return { reason: `the filter of ${name} refused it: ${messageOf(error)}` };
  }
}

function deliveryTo(consumer: Consumer, produced: Produced, codec: Codec<unknown>, payload: Written): Production {
  const { participant, input } = consumer;
  if (consumer.key === undefined) return new Production(shardRef(participant, 0), input, produced, produced.senderKey, codec, payload);
  try {
    const key = consumer.key === "record" ? ownKey(produced) : checkKey(consumer.key(produced.value));
    return new Production(shardRef(participant, shardOf(key, consumer.shards)), input, produced, key, codec, payload);
  } catch (error) {
    return refused(consumer, produced, codec, `the key extractor of ${consumer.name} refused it: ${messageOf(error)}`);
  }
}

/** A delivery that goes to the consumer's dead letters. */
function refused({ participant, input }: Consumer, produced: Produced, codec: Codec<unknown>, reason: string, key = ""): Production {
  const refusal = encodePlain({ reason, value: sealValue(codec, produced.value) });
  return new Production(shardRef(participant, 0), input, produced, key, undefined, whole(refusal), true);
}

/** A key that hardly any other record has; if one has, the two are only worked on one after the other. Starts with the sender's. */
function ownKey({ id, senderKey, place }: Produced): string {
  return id ?? `${senderKey.slice(0, OWN_KEY)}#${place.toString(36)}`;
}

function checkKey(key: unknown): string {
  if (typeof key !== "string" || key.length === 0)
    throw new InvalidUseError(`it gave ${typeof key === "string" ? "an empty string" : String(key)}; a key is a non-empty string`);
  if (!isStorable(key)) throw new InvalidUseError(`it gave ${JSON.stringify(key)}, which is not well-formed Unicode: two such keys would be one when stored`);
  if (key.length > KEY_BYTES / 3 && Buffer.byteLength(key) > KEY_BYTES)
    throw new LimitExceededError(`it gave a key of ${Buffer.byteLength(key)} bytes, more than ${KEY_BYTES}`);
  return key;
}

function checkSchema(stream: PlannedStream, value: unknown): void {
  if (stream.schema === undefined) return;
  const validated = validate(stream.schema, value);
  if (validated instanceof Promise) throw new InvalidUseError(`the schema of stream "${stream.name}" validates asynchronously; give one that does not`);
  if ("refused" in validated) throw new InvalidUseError(`stream "${stream.name}" refuses the value: ${validated.refused}`);
}
