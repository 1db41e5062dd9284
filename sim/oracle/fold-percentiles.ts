/**
 * The part of the fold that looks at percentile watermarks, where timers `due` go by one.
 *
 * F10 A percentile watermark never falls for a key, and is never below the low one; `due` fires by it and not before.
 */
import type { KeyModel } from "./fold-call.ts";
import type { Entry } from "../workload/program.ts";

/** How much of an entry is not what its program read. */
export const fixedPart = (percentile: boolean): number => (percentile ? 5 : 4);

/** Of one call, whose value becomes the key's last one. */
export function percentileFindings(model: KeyModel, entry: Entry, where: string): string[] {
  const [, watermark] = entry;
  const seen = entry[4] as number;
  const before = model.percentile ?? -1;
  const findings: string[] = [];
  if (seen < before) findings.push(`F10: ${where}: the percentile watermark fell from ${before} to ${seen}`);
  if (seen < watermark) findings.push(`F10: ${where}: the percentile watermark is ${seen}, and the low one ${watermark}`);
  model.percentile = seen;
  return findings;
}
