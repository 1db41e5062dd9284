/** What a request's headers say of its body: how it is to be read, and by which ids its records are known. Pure. */
import type { IncomingHttpHeaders } from "node:http";
import { isBinaryEvent } from "./cloud-event.ts";
import { read, type ReadOutcome, refused } from "./read-outcome.ts";

/** `values`: one JSON value, or an array of them. `lines`: one JSON value a line. `binary-event`: its attributes are headers. */
export type BodyKind = "values" | "lines" | "event" | "events" | "binary-event";

const KINDS: ReadonlyMap<string, BodyKind> = new Map([
  ["application/json", "values"],
  ["application/x-ndjson", "lines"],
  ["application/cloudevents+json", "event"],
  ["application/cloudevents-batch+json", "events"],
]);
const TAKEN = [...KINDS.keys()].join(", ");

export function bodyKindOf(headers: IncomingHttpHeaders): ReadOutcome<BodyKind> {
  const encoding = headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  if (encoding !== "identity") return refused(`the body is encoded (content-encoding: ${encoding.slice(0, 32)}); send it as it is`);
  const header = headers["content-type"] ?? "";
  const [type = "", ...parameters] = header.split(";").map((part) => part.trim().toLowerCase());
  const kind = KINDS.get(type);
  if (kind === undefined)
    return refused(`the content type ${header === "" ? "is missing" : `is ${JSON.stringify(type.slice(0, 64))}`}; records come as ${TAKEN}`);
  const charset = parameters.find((parameter) => /^charset\s*=/.test(parameter));
  if (charset !== undefined && !/^charset\s*=\s*"?utf-?8"?$/.test(charset)) return refused("the charset is not UTF-8, in which JSON is sent");
  if (!isBinaryEvent(headers)) return read(kind);
  return kind === "values" ? read("binary-event") : refused("a CloudEvent with ce- headers has JSON data (content-type: application/json)");
}

const VISIBLE = /^[\x20-\x7e]+$/;

/** The key that a client gave the request; undefined: none. Quotes around it, as a structured header has, are none of it. */
export function idempotencyKeyOf(distinct: NodeJS.Dict<string[]>): ReadOutcome<string | undefined> {
  const given = distinct["idempotency-key"];
  if (given === undefined) return read(undefined);
  const [first = ""] = given;
  const key = first.trim().replace(/^"(.*)"$/, "$1");
  if (given.length > 1 || !VISIBLE.test(key)) return refused("Idempotency-Key is given once, as visible ASCII letters");
  return read(key);
}
