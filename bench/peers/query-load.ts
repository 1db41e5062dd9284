/**
 * What peers that know event time are given beside the counter: events of Nexmark, one JSON text a line, in a file whose
 * bytes each of them has in its durable source; and what the rows of a query must come to, by plain code.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Digest } from "../harness/results.ts";
import { answerTexts } from "../nexmark/answers.ts";
import { type Bid, eventAt } from "../nexmark/events.ts";
import type { QueryLoad, QueryName } from "./peer.ts";

const PAGE = 10_000;
/** What the last event is after the others, ms of event time: all their windows are closed by it, and none of its own. */
const BEHIND_ALL = 60_000;

export function writeQueryLoad(query: QueryName, events: number, disorder: number, folder: string): QueryLoad {
  const file = join(folder, "events.ndjson");
  const opened = openSync(file, "w");
  let last = 0;
  for (let n = 0; n < events; ) {
    const lines: string[] = [];
    for (const end = Math.min(n + PAGE, events); n < end; n++) {
      const event = eventAt(n, { events, disorder });
      last = Math.max(last, event.at);
      lines.push(`${JSON.stringify(event)}\n`);
    }
    writeSync(opened, lines.join(""));
  }
  const end: Bid = { kind: "bid", auction: 1_000, bidder: 1_000, price: 0, channel: "end", url: "", at: last + BEHIND_ALL, extra: "" };
  writeSync(opened, `${JSON.stringify(end)}\n`);
  closeSync(opened);
  const digest = new Digest();
  for (const text of answerTexts(query, { events, disorder })) digest.add(text);
  return { query, events, file, rows: digest.count, digest: String(digest) };
}
