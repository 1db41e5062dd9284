#!/usr/bin/env node
/** The `millrace` command: its words and options. What each does is in the file of its name. */
import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { auditCommand, type AuditCommandOptions } from "./audit-command.ts";
import { DONE, endingOf, MISTAKEN } from "./exit.ts";
import { runCommand, type RunCommandOptions } from "./run-command.ts";
import { DEFAULT_STORE } from "./store-option.ts";
import { watermarksCommand } from "./watermarks-command.ts";
import { workersCommand } from "./workers-command.ts";

const DEFAULT_PORT = 7_077;
/** Workers of one command: more than that a machine has no cores for. */
const MOST_WORKERS = 256;

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { readonly version: string };
let code = DONE;

const program = new Command("millrace")
  .description("Exactly-once, event-time stream processing.")
  .version(version)
  .exitOverride()
  .showHelpAfterError("(--help tells more)");

const storeOption = (forms: string) => new Option("--store <store>", forms).default(DEFAULT_STORE).env("MILLRACE_STORE");

program
  .command("run")
  .description("Runs the pipeline that a file exports, until its inputs end or it is told to stop (SIGINT, SIGTERM).")
  .argument("<file>", "a .ts, .mts, .js, .mjs or .cjs file whose default export is a Pipeline")
  .addOption(storeOption("lmdb:DIRECTORY, redis://HOST:PORT/DB, rediss://..., redis:/PATH of a socket, or memory:"))
  .addOption(
    new Option("--port <port>", "HTTP endpoint on 127.0.0.1, for inspection and for records of fromHttp; 0: any free port")
      .default(DEFAULT_PORT)
      .argParser(portOf),
  )
  .option("--address <host:port>", "address of this machine by which workers on other machines pass requests on to this one (default: none)")
  .option("--no-http", "no HTTP endpoint")
  .option("--drop <name>", "delete the stored data of what the code no longer has: PARTICIPANT or PARTICIPANT/PART; may be repeated", collect)
  .addOption(new Option("--lease <ms>", "how long the shards of a worker that died stay its own, ms (default 2000)").argParser(leaseOf))
  .addOption(new Option("--stall <ms>", "how long a handler may keep the process busy before it is ended, ms; 0: for ever (default 30000)").argParser(stallOf))
  .addOption(new Option("--workers <n>", "run it in so many processes on this machine, which share the work: a store on Redis").argParser(workersOf))
  .action(async (file: string, options: RunCommandOptions) => {
    code = await runCommand(file, options);
  });

program
  .command("watermarks")
  .description("Shows the low watermarks of a running pipeline and what holds them.")
  .argument("[participant]", "show the shards of this one")
  .option("--url <url>", "its HTTP endpoint", `http://127.0.0.1:${DEFAULT_PORT}`)
  .option("--json", "as JSON", false)
  .action(async (participant: string | undefined, options: { readonly url: string; readonly json: boolean }) => {
    code = await watermarksCommand(participant, options);
  });

program
  .command("workers")
  .description("Shows who works on a running pipeline, what each owns, and what waits for what.")
  .option("--url <url>", "the HTTP endpoint of any of them", `http://127.0.0.1:${DEFAULT_PORT}`)
  .option("--json", "as JSON", false)
  .action(async (options: { readonly url: string; readonly json: boolean }) => {
    code = await workersCommand(options);
  });

program
  .command("audit")
  .description("Checks what is stored of a pipeline, while it runs or not, and writes nothing. Exit code 0: sound, 1: violations, 2: could not be checked.")
  .addOption(storeOption("lmdb:DIRECTORY, redis://HOST:PORT/DB, rediss://..., or redis:/PATH of a socket"))
  .option("--pipeline <name>", "check this one (default: every pipeline of the store)")
  .option("--json", "as JSON", false)
  .action(async (options: AuditCommandOptions) => {
    code = await auditCommand(options);
  });

function portOf(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError("It is a number from 0 to 65535.");
  return port;
}

function leaseOf(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 200 || Number(text) > 3_600_000) throw new InvalidArgumentError("It is a number from 200 to 3600000.");
  return Number(text);
}

function stallOf(text: string): number {
  if (!/^\d+$/.test(text) || (Number(text) !== 0 && Number(text) < 1_000) || Number(text) > 3_600_000)
    throw new InvalidArgumentError("It is 0, or a number from 1000 to 3600000.");
  return Number(text);
}

function workersOf(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > MOST_WORKERS) throw new InvalidArgumentError(`It is a number from 1 to ${MOST_WORKERS}.`);
  return Number(text);
}

function collect(name: string, earlier: readonly string[] = []): string[] {
  return [...earlier, name];
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // It has told what was wrong, or what was asked for.
    code = error.exitCode === 0 ? DONE : MISTAKEN;
  } else {
    const ending = endingOf(error);
    process.stderr.write(`error: ${ending.text}\n`);
    code = ending.code;
  }
}
// Whoever reads may have seen enough, as in "millrace watermarks | head".
process.stdout.on("error", () => process.exit(code));
// What the user's file has left open (a timer, a connection) does not keep the process.
process.stdout.write("", () => process.exit(code));
