/** `millrace inspect`: what a running pipeline is made of and what is stored of it, on one screen. */
import type { Command } from "commander";
import type { ReadinessView } from "../inspect/health-views.ts";
import type { ParticipantView, PipelineView, ShardsView, ShardView, WatermarksView } from "../inspect/views.ts";
import { DONE } from "./exit.ts";
import { watermarkText } from "./progress-text.ts";
import { asking, endpointOf, print, type RemoteOptions } from "./remote.ts";
import { countText, tableLines } from "./table.ts";

interface Inspected {
  readonly pipeline: PipelineView;
  readonly readiness: ReadinessView;
  readonly watermarks: WatermarksView;
  readonly shards: ShardsView;
}

/** `ended`: told the exit code. */
export function addInspectCommand(program: Command, ended: (code: number) => void): void {
  const command = program.command("inspect").description("Shows a running pipeline: its participants, who owns their shards, and what is stored of them.");
  asking(command).action(async (options: RemoteOptions) => {
    const asked = endpointOf(options);
    const [pipeline, readiness, watermarks, shards] = await Promise.all([asked.pipeline(), asked.readiness(), asked.watermarks(), asked.shards()]);
    print({ pipeline, readiness, watermarks, shards }, options, inspectedLines);
    ended(DONE);
  });
}

function inspectedLines({ pipeline, readiness, watermarks, shards }: Inspected): string[] {
  const owners = new Set(shards.shards.flatMap(({ owner }) => owner ?? []));
  const columns = ["", "kind", "status", "watermark", "shards", "owned", "keys and cells", "timers", "waiting", "held", "dead"].map((title, at) => ({
    title,
    right: at > 3,
  }));
  const rows = pipeline.participants.map((participant) => rowOf(participant, watermarks, shards.shards));
  return [
    `pipeline ${pipeline.pipeline} in ${pipeline.store}: ${pipeline.shards} shards a computation, ${owners.size} ${owners.size === 1 ? "worker" : "workers"}; asked ${pipeline.worker}`,
    readiness.ready ? "ready" : `not ready: ${readiness.missing.join("; ")}`,
    "",
    ...tableLines(columns, rows),
  ];
}

function rowOf({ name, kind }: ParticipantView, { participants }: WatermarksView, shards: readonly ShardView[]): string[] {
  const mine = shards.filter(({ participant }) => participant === name);
  const known = participants.find((each) => each.name === name);
  const sum = (of: (shard: ShardView) => number): string => {
    const total = mine.reduce((all, shard) => all + of(shard), 0);
    return total === 0 ? "" : countText(total);
  };
  return [
    name,
    kind,
    known?.status ?? "",
    known === undefined ? "" : watermarkText(known.output),
    String(mine.length),
    String(mine.filter(({ owner }) => owner !== null).length),
    sum(({ state }) => state),
    sum(({ timers }) => timers.watermark + timers.wall),
    sum(({ queued }) => queued),
    sum(({ held }) => held),
    sum(({ deadLetters }) => deadLetters),
  ];
}
