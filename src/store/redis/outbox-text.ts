/**
 * Outbox entries as they are stored: a field of the outbox hash that names the place, and a value that holds the rest.
 *
 *   field   <target>:<monotonic>.<n>
 *   value   <records> <monotonic>.<n of the previous place, or "-"> <bytes>
 */
import { Buffer } from "node:buffer";
import type { ShardRef } from "../../key.ts";
import { invariant } from "../../errors.ts";
import type { OutboxEntry, Place } from "../commit.ts";
import type { StoredOutboxEntry } from "../store.ts";
import type { Arguments } from "./request.ts";

const SPACE = 0x20;

export const outboxField = (target: ShardRef, place: Place): string => `${target}:${placeText(place)}`;

const placeText = (place: Place): string => `${place.monotonic}.${place.n}`;

export function parsePlace(text: string): Place {
  const dot = text.indexOf(".");
  return { monotonic: dot < 0 ? Number.NaN : Number(text.slice(0, dot)), n: Number(text.slice(dot + 1)) };
}

export function writeOutboxEntry(args: Arguments, monotonic: number, { target, n, previous, records, bytes }: OutboxEntry): void {
  args.text(outboxField(target, { monotonic, n }));
  args.bytes(Buffer.concat([Buffer.from(`${records} ${previous === undefined ? "-" : placeText(previous)} `), bytes]));
}

export function parseOutboxEntry(field: string, value: Uint8Array): StoredOutboxEntry {
  const colon = field.indexOf(":");
  const first = value.indexOf(SPACE);
  const second = value.indexOf(SPACE, first + 1);
  invariant(colon > 0 && first > 0 && second > 0, `outbox entry ${field} cannot be read`);
  const text = (from: number, to: number): string => Buffer.from(value.subarray(from, to)).toString();
  const before = text(first + 1, second);
  const place = parsePlace(field.slice(colon + 1));
  const previous = before === "-" ? undefined : parsePlace(before);
  const target = Number(field.slice(0, colon));
  const records = Number(text(0, first));
  const numbers = [target, records, place.monotonic, place.n, previous?.monotonic ?? 0, previous?.n ?? 0];
  invariant(numbers.every(Number.isSafeInteger), `outbox entry ${field} cannot be read`);
  return { target, place, previous, records, bytes: value.subarray(second + 1) };
}
