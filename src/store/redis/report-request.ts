/** One call of the report script: what a worker tells of watermarks, and what it is told of all. When it reports is the engine's. */
import type { ReportReply, WatermarkReport } from "../store.ts";
import { parsePublished, statusLetter, workerDigest } from "./authority-bytes.ts";
import { asBytes, asList, asNumber, asText } from "./reply.ts";
import type { Request } from "./request.ts";

/** After its keys. */
export function encodeReports(request: Request, worker: string, reports: readonly WatermarkReport[]): Request {
  request.bytes(workerDigest(worker));
  for (const { participant, generation, number, output, status, last } of reports)
    request.integer(participant).integer(generation).integer(number).integer(output).integer(last).text(statusLetter(status));
  return request;
}

/** `appends`: of the pipeline's own domain. */
export function decodeReportReply(reply: unknown): Omit<ReportReply, "appends"> & { readonly appends: number } {
  const [now, appends, refused, published] = asList(reply);
  const participants = asText(refused).split(" ");
  return {
    refused: participants.filter((text) => text !== "").map(Number),
    watermarks: parsePublished(asBytes(published) ?? new Uint8Array()),
    appends: asNumber(appends),
    now: asNumber(now),
  };
}
