/**
 * From the body of a request to records that are handed in: whole, or line by line. What stops it is thrown as a
 * `RequestError`; what was handed in before stays handed in, and the receipt knows of it.
 *
 * U1  Of a body that is read whole, all records are handed in, or none.
 * U2  Of lines, no more are kept than are in one chunk and one group; reading waits while there is no room.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { Clock } from "../clock.ts";
import type { HttpRecord } from "../injectors/http-door.ts";
import { type HttpReceipt, type RefusedRecord, LISTED_RECORDS } from "../injectors/http-receipt.ts";
import { RequestError } from "../inspect/request-error.ts";
import { HTTP_BODY_BYTES, HTTP_BODY_RECORDS } from "../limits.ts";
import type { Body } from "./body.ts";
import type { BodyKind } from "./body-kind.ts";
import { binaryEvent, type Draft, structuredEvent } from "./cloud-event.ts";
import type { Intake } from "./intake.ts";
import { isBlank, readJson } from "./json-text.ts";
import { LineSplitter } from "./line-splitter.ts";
import { read, type ReadOutcome, refused } from "./read-outcome.ts";

/** ms in which a whole body has to come, and one line. */
export const PATIENCE = 30_000;
/** Lines handed in at once. */
const GROUP = 512;

export interface Upload {
  readonly intake: Intake;
  readonly body: Body;
  readonly headers: IncomingHttpHeaders;
  /** Of the request: the id of its record, or what those of its records begin with. */
  readonly key: string | undefined;
  readonly receipt: HttpReceipt;
}

export async function uploadWhole(upload: Upload, kind: Exclude<BodyKind, "lines">): Promise<void> {
  const { intake, key, receipt } = upload;
  const bytes = await upload.body.whole(HTTP_BODY_BYTES, PATIENCE);
  const { drafts, many } = draftsOf(kind, upload.headers, readJson(bytes));
  if (drafts.length > HTTP_BODY_RECORDS)
    throw new RequestError(
      413,
      "too-large",
      `the body has ${drafts.length} records, more than ${HTTP_BODY_RECORDS}: send fewer at once, or as application/x-ndjson`,
    );
  const records: HttpRecord[] = [];
  const wrong: RefusedRecord[] = [];
  const share = Math.ceil(bytes.length / Math.max(1, drafts.length));
  const checks = drafts.map((draft, index) =>
    "refused" in draft ? intake.refuse(draft.refused) : intake.check(draft.read, idOf(key, many ? index : undefined), share),
  );
  const checked = checks.some((each) => each instanceof Promise) ? await Promise.all(checks.map(async (each) => each)) : (checks as ReadOutcome<HttpRecord>[]);
  checked.forEach((each, index) => {
    if ("read" in each) records.push(each.read);
    else if (wrong.length < LISTED_RECORDS) wrong.push({ index, id: idOf(key, many ? index : undefined) ?? "", reason: each.refused });
  });
  const [first] = wrong;
  if (first !== undefined) throw refusedError(first, "nothing of the request is taken", wrong);
  // It may have taken a while to come.
  intake.checkReady();
  intake.hand(records, receipt);
}

/** `many`: is each known by its place in the body? A list of one is a list. */
function draftsOf(
  kind: Exclude<BodyKind, "lines">,
  headers: IncomingHttpHeaders,
  json: ReadOutcome<unknown>,
): { readonly drafts: readonly ReadOutcome<Draft>[]; readonly many: boolean } {
  if ("refused" in json) return { drafts: [json], many: false };
  const value = json.read;
  switch (kind) {
    case "values":
      return Array.isArray(value) ? { drafts: value.map(plain), many: true } : { drafts: [plain(value)], many: false };
    case "event":
      return { drafts: [structuredEvent(value)], many: false };
    case "events":
      return Array.isArray(value)
        ? { drafts: value.map(structuredEvent), many: true }
        : { drafts: [refused("a batch of CloudEvents is a JSON array")], many: false };
    case "binary-event":
      return { drafts: [binaryEvent(headers, value)], many: false };
  }
}

const plain = (value: unknown): ReadOutcome<Draft> => read({ value, id: undefined, timestamp: undefined });

function idOf(key: string | undefined, index: number | undefined): string | undefined {
  return key === undefined || index === undefined ? key : `${key}/${index}`;
}

export async function uploadLines({ intake, body, key, receipt }: Upload, clock: Clock): Promise<void> {
  const splitter = new LineSplitter(HTTP_BODY_BYTES);
  let group: HttpRecord[] = [];
  const handGroup = async () => {
    const records = group;
    group = [];
    await intake.handInTurn(records, receipt);
  };
  /** By the time of the last line, not of the last byte: who sends a byte now and then does not get on. */
  let until = clock.now() + PATIENCE;
  for (let chunk = await body.next(until); ; chunk = await body.next(until)) {
    const lines = chunk === undefined ? splitter.end() : splitter.push(chunk);
    for (const line of lines) {
      if (isBlank(line)) continue;
      const index = receipt.handed + group.length;
      const id = idOf(key, index);
      const json = readJson(line);
      const checking =
        "refused" in json ? intake.refuse(json.refused) : intake.check({ value: json.read, id: undefined, timestamp: undefined }, id, line.length);
      const checked = checking instanceof Promise ? await checking : checking;
      if ("refused" in checked) {
        await handGroup();
        throw refusedError({ index, id: id ?? "", reason: checked.refused }, "what is before it is taken, what is after it is not", []);
      }
      if (group.push(checked.read) >= GROUP) await handGroup();
    }
    await handGroup();
    if (splitter.tooLong)
      throw new RequestError(
        413,
        "too-large",
        `record ${receipt.handed} is more than ${HTTP_BODY_BYTES} bytes: what is before it is taken, what is after it is not`,
        {
          details: { index: receipt.handed },
        },
      );
    if (chunk === undefined) return;
    if (lines.length > 0) until = clock.now() + PATIENCE;
  }
}

export function refusedError({ index, reason }: RefusedRecord, consequence: string, all: readonly RefusedRecord[]): RequestError {
  const details = { index, reason, refused: all.length === 0 ? [{ index, reason }] : all.map((each) => ({ index: each.index, reason: each.reason })) };
  return new RequestError(422, "refused", `record ${index} is refused: ${reason}; ${consequence}`, { details });
}
