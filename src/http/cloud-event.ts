/**
 * CloudEvents 1.0 over HTTP, as far as records are made of them: data is the value, source and id its identity, time its
 * timestamp. Pure. Extension attributes, type and subject are not kept: what a pipeline needs of them belongs in the data.
 */
import type { IncomingHttpHeaders } from "node:http";
import { read, type ReadOutcome, refused } from "./read-outcome.ts";

/** A record before it is looked at: `id` and `timestamp` as far as what carried the value has told them. */
export interface Draft {
  readonly value: unknown;
  readonly id: string | undefined;
  readonly timestamp: number | undefined;
}

const PREFIX = "ce-";
const HOLDS_JSON = /^[^;]*[/+]json\s*(;|$)/i;
const RFC_3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

/** Is a request with these headers an event whose attributes are headers (binary mode)? */
export function isBinaryEvent(headers: IncomingHttpHeaders): boolean {
  return Object.keys(headers).some((name) => name.startsWith(PREFIX));
}

/** An event whose attributes are headers, and whose data is the body. */
export function binaryEvent(headers: IncomingHttpHeaders, data: unknown): ReadOutcome<Draft> {
  const attributes: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, text] of Object.entries(headers)) {
    if (!name.startsWith(PREFIX)) continue;
    try {
      attributes[name.slice(PREFIX.length)] = decodeURIComponent(String(text));
    } catch {
      return refused(`the header ${name} is not percent-encoded UTF-8`);
    }
  }
  return eventOf(attributes, data);
}

/** An event that is a JSON object (structured mode), alone or one of a batch. */
export function structuredEvent(event: unknown): ReadOutcome<Draft> {
  if (typeof event !== "object" || event === null || Array.isArray(event))
    return refused("a CloudEvent is a JSON object with specversion, id, source, type and data");
  const attributes = event as Readonly<Record<string, unknown>>;
  if (Object.hasOwn(attributes, "data_base64")) return refused("the CloudEvent's data is binary (data_base64); give JSON as data");
  if (!Object.hasOwn(attributes, "data")) return refused("the CloudEvent has no data, which is the record's value");
  const type = attributes["datacontenttype"];
  if (type !== undefined && !(typeof type === "string" && HOLDS_JSON.test(type)))
    return refused("the CloudEvent's datacontenttype is not JSON (application/json)");
  return eventOf(attributes, attributes["data"]);
}

function eventOf(attributes: Readonly<Record<string, unknown>>, data: unknown): ReadOutcome<Draft> {
  const { specversion, id, source, type, time } = attributes;
  if (specversion !== "1.0") return refused(`the CloudEvent's specversion is ${show(specversion)}; only 1.0 is taken`);
  for (const [name, given] of Object.entries({ id, source, type })) {
    if (typeof given !== "string" || given === "") return refused(`the CloudEvent's ${name} is ${show(given)}; it is a non-empty string`);
  }
  if (/\s/.test(source as string)) return refused("the CloudEvent's source is not a URI reference: it has white space");
  const at = time === undefined ? undefined : timestampOf(time);
  if (Number.isNaN(at)) return refused(`the CloudEvent's time is ${show(time)}; it is a time like 2026-03-01T12:00:00Z`);
  // Two sources may give the same id; no source has a space in it.
  return read({ value: data, id: `${source as string} ${id as string}`, timestamp: at });
}

/** Whole ms since the epoch; NaN: it is no time. */
function timestampOf(time: unknown): number {
  const [, seconds, fraction = ".0", zone] = typeof time === "string" ? (RFC_3339.exec(time) ?? []) : [];
  if (seconds === undefined || zone === undefined) return Number.NaN;
  // At most ms, for engines need not read more.
  return Date.parse(`${seconds}${fraction.slice(0, 4)}${zone}`.toUpperCase());
}

function show(value: unknown): string {
  if (value === undefined) return "missing";
  return typeof value === "string" ? JSON.stringify(value.slice(0, 64)) : typeof value;
}
