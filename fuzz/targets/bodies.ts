/** What clients send over HTTP, past the protocol itself: lines, JSON, CloudEvents, and the headers that say which it is. */
import { bodyKindOf, idempotencyKeyOf } from "../../src/http/body-kind.ts";
import { binaryEvent, structuredEvent } from "../../src/http/cloud-event.ts";
import { readJson } from "../../src/http/json-text.ts";
import { LineSplitter } from "../../src/http/line-splitter.ts";
import { RequestError } from "../../src/inspect/request-error.ts";
import type { Target } from "../target.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const MOST_LINE = 200;

/** A sentence that something is refused with is an error here, so that it is seen how far inputs get. */
function read<T>(outcome: { readonly read: T } | { readonly refused: string }): T {
  if ("read" in outcome) return outcome.read;
  throw new RequestError(422, "refused", outcome.refused);
}

/** Cut twice, in pieces of two sizes: the lines must be the same. */
function readLines(input: Uint8Array): unknown[] {
  const [whole, pieces] = [linesOf(input, input.length), linesOf(input, 1 + (input.length % 7))];
  if (JSON.stringify(whole) !== JSON.stringify(pieces)) throw new Error("cut otherwise in small pieces");
  return whole.map((line) => read(readJson(Buffer.from(line, "latin1"))));
}

function linesOf(input: Uint8Array, piece: number): string[] {
  const splitter = new LineSplitter(MOST_LINE);
  const lines: string[] = [];
  const add = (line: Uint8Array): void => void lines.push(Buffer.from(line).toString("latin1"));
  for (let at = 0; at < input.length; at += piece) splitter.push(input.slice(at, at + piece)).forEach(add);
  splitter.end().forEach(add);
  if (splitter.tooLong) lines.push("true");
  return lines;
}

/** Lines of "name: value", as a parser of HTTP gives them. */
function headersOf(input: Uint8Array): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of Buffer.from(input).toString("latin1").split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return headers;
}

function readHeaders(input: Uint8Array): unknown {
  const headers = headersOf(input);
  const key = headers["idempotency-key"];
  return [read(bodyKindOf(headers)), read(idempotencyKeyOf(key === undefined ? {} : { "idempotency-key": [key] })), read(binaryEvent(headers, 1))];
}

const EVENT = {
  specversion: "1.0",
  id: "1",
  source: "/s",
  type: "t",
  time: "2026-03-01T12:00:00.5+01:00",
  datacontenttype: "application/json",
  data: { a: 1 },
};

export const bodyTargets: readonly Target[] = [
  {
    name: "http-lines",
    corpus: ['1\n"two"\n{"three":[3]}\n', "\r\n\n5", "x".repeat(MOST_LINE)].map(utf8),
    words: ["\n", "\r\n", "x".repeat(90), "\ufeff"],
    read: readLines,
    throws: [RequestError],
  },
  {
    name: "cloud-event",
    corpus: [EVENT, { ...EVENT, time: undefined }, [EVENT]].map((event) => utf8(JSON.stringify(event))),
    words: ['"time":', "9999-12-31T23:59:59.999999999Z", '"data_base64":""', '"__proto__":{}', "null", "1.0", "-24:00"],
    read: (input) => read(structuredEvent(read(readJson(input)))),
    throws: [RequestError],
  },
  {
    name: "http-headers",
    corpus: [
      'content-type: application/json\nce-specversion: 1.0\nce-id: a%20b\nce-source: /s\nce-type: t\nce-time: 2026-03-01T12:00:00Z\nidempotency-key: "k"',
    ].map(utf8),
    words: ["charset=", "utf-8", ";", '"', "%", "%zz", "%ff", "content-encoding: gzip\n", "ce-__proto__: x\n", "\u0000"],
    read: readHeaders,
    throws: [RequestError],
  },
];
