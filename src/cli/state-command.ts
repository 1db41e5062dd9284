/** `millrace state`: the keys of a computation, or all that is stored of one. */
import type { Command } from "commander";
import type { KeysView, StateView } from "../inspect/state-views.ts";
import { DONE } from "./exit.ts";
import { asking, cellText, endpointOf, limitOf, print, type RemoteOptions } from "./remote.ts";
import { tableLines } from "./table.ts";

interface StateOptions extends RemoteOptions {
  readonly limit?: number;
  readonly cursor?: string;
}

/** `ended`: told the exit code. */
export function addStateCommand(program: Command, ended: (code: number) => void): void {
  const command = program
    .command("state")
    .description("Shows the state of a key, as it is committed, or which keys a computation has. Needs a token of scope read.")
    .argument("<computation>")
    .argument("[key]", "all cells of this key; without one, the keys")
    .option("--limit <n>", "so many keys, 1 to 1000 (default 100)", limitOf)
    .option("--cursor <cursor>", "the next page of keys: as the one before says");
  asking(command).action(async (computation: string, key: string | undefined, options: StateOptions) => {
    const asked = endpointOf(options);
    if (key !== undefined) print(await asked.state(computation, key), options, stateLines);
    else print(await asked.keys(computation, { limit: options.limit, cursor: options.cursor }), options, keyLines);
    ended(DONE);
  });
}

function stateLines({ computation, key, shard, commit, cells, holdIso }: StateView): string[] {
  const rows = cells.map(({ name, codec, stored, value, expiresAtIso, error }) => [
    name,
    codec,
    expiresAtIso ?? "",
    error === undefined ? (stored ? cellText(value, 2_000) : "(not stored)") : `cannot be read: ${error}`,
  ]);
  const hold = holdIso === null ? [] : [`it holds the watermark at ${holdIso}`];
  return [
    `${computation}, key ${JSON.stringify(key)}: shard ${shard}, as of its commit ${commit}`,
    ...hold,
    "",
    ...tableLines([{ title: "cell" }, { title: "codec" }, { title: "expires" }, { title: "value" }], rows),
  ];
}

function keyLines({ keys, next }: KeysView): string[] {
  if (keys.length === 0) return ["no key has state"];
  const rows = keys.map(({ key, shard, cells }) => [cellText(key), String(shard), cells.join(", ")]);
  return [
    ...tableLines([{ title: "key" }, { title: "shard", right: true }, { title: "cells" }], rows),
    ...(next === null ? [] : ["", `more with --cursor ${next}`]),
  ];
}
