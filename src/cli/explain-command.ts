/** `millrace explain`: what the last calls of a key did. */
import type { Command } from "commander";
import type { Explained, ExplainedValue } from "../computation/explained.ts";
import type { ExplainView } from "../inspect/explain-view.ts";
import { timeText } from "../inspect/times.ts";
import { DONE } from "./exit.ts";
import { asking, cellText, endpointOf, print, type RemoteOptions } from "./remote.ts";

/** `ended`: told the exit code. */
export function addExplainCommand(program: Command, ended: (code: number) => void): void {
  const command = program
    .command("explain")
    .description("Shows what the last calls of a key did, of a computation with the option explain. Needs a token of scope read.")
    .argument("<computation>")
    .argument("<key>");
  asking(command).action(async (computation: string, key: string, options: RemoteOptions) => {
    print(await endpointOf(options).explain(computation, key), options, explainLines);
    ended(DONE);
  });
}

function explainLines({ computation, key, shard, commit, calls }: ExplainView): string[] {
  const title = `${computation}, key ${JSON.stringify(key)}: shard ${shard}, as of its commit ${commit}`;
  if (calls.length === 0) return [title, "no call of it has been kept"];
  return [title, ...calls.flatMap((call) => ["", ...callLines(call)])];
}

function callLines({ commit, at, record, timer, state, produced, producedInAll, timers, hold, cleared }: Explained): string[] {
  const cause =
    record === null
      ? `timer ${timer?.name ?? ""}${tagText(timer?.tag)} of ${timeText(timer?.time ?? 0)}`
      : `record ${record.id} of ${record.stream}, ${timeText(record.timestamp)}${record.late ? ", late" : ""}: ${shown(record.value)}`;
  const others = producedInAll > produced.length ? [`  produced  ${producedInAll - produced.length} more`] : [];
  return [
    `commit ${commit}, ${timeText(at)}: ${cause}`,
    ...(cleared ? ["  cleared   all that there was of the key"] : []),
    ...state.map(({ cell, changed, before, after }) => `  state     ${cell}: ${shown(before)}${changed ? ` -> ${shown(after)}` : " (unchanged)"}`),
    ...produced.map(({ stream, timestamp, value }) => `  produced  ${stream}${timestamp === null ? "" : `, ${timeText(timestamp)}`}: ${shown(value)}`),
    ...others,
    ...timers.map(({ name, tag, time }) => `  timer     ${name}${tagText(tag)} ${time === null ? "deleted" : `set for ${timeText(time)}`}`),
    ...(hold === undefined ? [] : [`  hold      ${hold === null ? "released" : timeText(hold)}`]),
  ];
}

const tagText = (tag: string | number | null | undefined): string => (tag === null || tag === undefined ? "" : ` with tag ${JSON.stringify(tag)}`);

function shown(value: ExplainedValue | null): string {
  if (value === null) return "(absent)";
  return value.cut ? `${cellText(value.text)}...` : cellText(value.text);
}
