/** `millrace tail`: a sample of what a stream carries, as it is committed. */
import type { Command } from "commander";
import type { TailedRecord, TailView } from "../inspect/tail.ts";
import { timeText } from "../inspect/times.ts";
import { DONE } from "./exit.ts";
import { asking, cellText, endpointOf, limitOf, type RemoteOptions } from "./remote.ts";

interface TailOptions extends RemoteOptions {
  readonly rate?: number;
  readonly count?: number;
}

/** `ended`: told the exit code. */
export function addTailCommand(program: Command, ended: (code: number) => void): void {
  const command = program
    .command("tail")
    .description("Shows a sample of what a stream carries, as the worker that is asked commits it, until it is stopped. Needs a token of scope read.")
    .argument("<stream>")
    .option("--rate <n>", "records a second that are shown at most, 1 to 1000 (default 20)", limitOf)
    .option("--count <n>", "end after so many records, 1 to 1000", limitOf);
  asking(command).action(async (stream: string, options: TailOptions) => {
    await tail(stream, options);
    ended(DONE);
  });
}

async function tail(stream: string, options: TailOptions): Promise<void> {
  const { rate, json, count = Number.POSITIVE_INFINITY } = options;
  let shown = 0;
  for await (const view of endpointOf(options).tail(stream, { rate })) {
    const records = view.records.slice(0, count - shown);
    shown += records.length;
    for (const record of records) process.stdout.write(`${json ? JSON.stringify(record) : recordLine(record)}\n`);
    if (!json && view.seen > view.records.length) process.stderr.write(`${leftOut(view)}\n`);
    if (shown >= count) return;
  }
}

const recordLine = ({ timestamp, key, value }: TailedRecord): string =>
  `${timeText(timestamp)}  ${key === null ? "(no key)" : cellText(key)}  ${cellText(value, 2_000)}`;

const leftOut = ({ seen, records }: TailView): string => `... and ${seen - records.length} more`;
