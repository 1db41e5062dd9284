/** `millrace watermarks`: how far a running pipeline is, and what holds it. */
import { durationText } from "../inspect/times.ts";
import type { HolderView, ParticipantShardsView, WatermarksView } from "../inspect/views.ts";
import { DONE } from "./exit.ts";
import { lagText, watermarkText } from "./progress-text.ts";
import { endpointOf, print, type RemoteOptions } from "./remote.ts";
import { tableLines } from "./table.ts";

/** Prints to standard output and gives the exit code. Rejects with an `EndpointError`. */
export async function watermarksCommand(participant: string | undefined, options: RemoteOptions): Promise<number> {
  const asked = endpointOf(options);
  if (participant === undefined) print(await asked.watermarks(), options, pipelineLines);
  else print(await asked.watermarksOf(participant), options, shardLines);
  return DONE;
}

function pipelineLines({ participants, now }: WatermarksView): string[] {
  const columns = [{ title: "" }, { title: "status" }, { title: "input" }, { title: "output" }, { title: "lag", right: true }, { title: "for", right: true }];
  const rows = participants.flatMap(({ name, status, input, output, lag, since, percentiles = [] }) => [
    [name, status, watermarkText(input), watermarkText(output), lagText(lag), output === "end" ? "" : durationText(now - since)],
    ...percentiles.map((each) => [`  ${each.percentile}%`, "", watermarkText(each.input), watermarkText(each.output), "", ""]),
  ]);
  return [...tableLines(columns, rows), ...holderLines(participants.map(({ name, heldBy }) => [name, heldBy]))];
}

function shardLines({ name, shards }: ParticipantShardsView): string[] {
  const columns = [{ title: name }, { title: "owner" }, { title: "input" }, { title: "output" }, { title: "waiting", right: true }];
  const rows = shards.map(({ shard, owner, input, output, queued }) => [
    `shard ${shard}`,
    owner ?? "-",
    watermarkText(input),
    watermarkText(output),
    String(queued),
  ]);
  return [...tableLines(columns, rows), ...holderLines(shards.map(({ shard, heldBy }) => [`shard ${shard}`, heldBy]))];
}

/** Each holder once, with all that it holds. */
function holderLines(holders: readonly (readonly [string, HolderView | null])[]): string[] {
  const held = new Map<string, string[]>();
  for (const [name, holder] of holders) if (holder !== null) held.set(holder.text, [...(held.get(holder.text) ?? []), name]);
  return [...held].flatMap(([text, names], at) => [...(at === 0 ? [""] : []), `${namesText(names)} held by ${text}`]);
}

/** Names that one line shows. */
const NAMED = 6;

function namesText(names: readonly string[]): string {
  return names.length <= NAMED ? names.join(", ") : `${names.slice(0, NAMED).join(", ")} and ${names.length - NAMED} more`;
}
