/** What the commands that ask a running pipeline have in common: where it is, what they show as, and the token they ask with. */
import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { messageOf } from "../errors.ts";
import { type Endpoint, endpoint } from "../inspect/endpoint.ts";
import { UsageError } from "./exit.ts";

export const DEFAULT_PORT = 7_077;
/** Where the token is that a command asks with. */
const TOKEN = "MILLRACE_TOKEN";

export interface RemoteOptions {
  readonly url: string;
  readonly json: boolean;
  readonly tokenFile?: string;
}

export function asking(command: Command): Command {
  return command
    .addOption(new Option("--url <url>", "its HTTP endpoint").default(`http://127.0.0.1:${DEFAULT_PORT}`).env("MILLRACE_URL"))
    .option("--token-file <file>", `a file with the token to ask with (default: ${TOKEN} of the environment)`)
    .option("--json", "as JSON", false);
}

export function endpointOf({ url, tokenFile }: RemoteOptions): Endpoint {
  if (!URL.canParse(url)) throw new UsageError("--url is not a URL: give one like http://127.0.0.1:7077");
  return endpoint(url, { token: tokenFile === undefined ? process.env[TOKEN] : tokenIn(tokenFile) });
}

function tokenIn(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new UsageError(`--token-file ${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** The answer itself as JSON, or lines for people. */
export function print<View>(view: View, { json }: Pick<RemoteOptions, "json">, lines: (view: View) => readonly string[]): void {
  process.stdout.write(json ? `${JSON.stringify(view, undefined, 2)}\n` : `${lines(view).join("\n")}\n`);
}

export function limitOf(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > 1_000) throw new InvalidArgumentError("It is a number from 1 to 1000.");
  return Number(text);
}

/** ms since the epoch, or a date as ISO 8601 writes it. */
export function timeOf(text: string): number {
  const time = /^\d+$/.test(text) ? Number(text) : /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isSafeInteger(time)) throw new InvalidArgumentError("It is a time: ms since the epoch, or a date like 2026-03-01T12:00:00Z.");
  return time;
}

/** Letters of a text that a cell of a table shows. */
const SHOWN = 60;

/** What came from data, for a line of a terminal: whole where it is plain, else as JSON. */
export function cellText(value: unknown, shown = SHOWN): string {
  const text = typeof value === "string" && /^[\w .:/@+-]*$/.test(value) && value !== "" ? value : (JSON.stringify(value) ?? "-");
  return text.length > shown ? `${text.slice(0, shown)}...` : text;
}
