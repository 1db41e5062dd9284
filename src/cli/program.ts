/**
 * The words and options of the `millrace` command. What each does is in the file of its name; `main.ts` runs it. Commands
 * that need the engine or a store load it when they are given: the others ask an endpoint, and are done before it were loaded.
 */
import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import type { AuditCommandOptions } from "./audit-command.ts";
import { addDeadLettersCommand } from "./dead-letters-command.ts";
import { addExplainCommand } from "./explain-command.ts";
import { addGraphCommand } from "./graph-command.ts";
import { addInitCommand } from "./init-command.ts";
import { addInspectCommand } from "./inspect-command.ts";
import { SHARDS } from "../limits.ts";
import type { ResetCommandOptions, RewindCommandOptions } from "./mending-commands.ts";
import type { MovingOptions } from "./offline-commands.ts";
import { asking, DEFAULT_PORT, type RemoteOptions } from "./remote.ts";
import type { RunCommandOptions } from "./one-run.ts";
import { addStateCommand } from "./state-command.ts";
import { DEFAULT_STORE, KEPT_FORMS } from "./store-forms.ts";
import { addTailCommand } from "./tail-command.ts";
import { addTimersCommand } from "./timers-command.ts";
import { watermarksCommand } from "./watermarks-command.ts";
import { workersCommand } from "./workers-command.ts";

/** Workers of one command: more than that a machine has no cores for. */
const MOST_WORKERS = 256;
/** A second, of one client. */
const MOST_REQUESTS = 1_000_000;

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { readonly version: string };

const storeOption = (forms: string) => new Option("--store <store>", forms).default(DEFAULT_STORE).env("MILLRACE_STORE");
const shardsOption = () => new Option("--shards <n>", "shards of each computation from now on (default: as many as it has)").argParser(shardsOf);

/** `ended` is told the exit code of the command that was run. */
export function programOf(ended: (code: number) => void): Command {
  const program = new Command("millrace")
    .description("Exactly-once, event-time stream processing.")
    .version(version)
    .exitOverride()
    .showHelpAfterError("(--help tells more)");

  program
    .command("run")
    .description("Runs the pipeline that a file exports, until its inputs end or it is told to stop (SIGINT, SIGTERM).")
    .argument("<file>", "a .ts, .mts, .js, .mjs or .cjs file whose default export is a Pipeline")
    .addOption(storeOption(`${KEPT_FORMS}, or memory:`))
    .addOption(
      new Option("--port <port>", "HTTP endpoint, for inspection, operators and records of fromHttp; 0: any free port").default(DEFAULT_PORT).argParser(portOf),
    )
    .option("--address <host:port>", "address of this machine by which workers on other machines pass requests on to this one (default: none)")
    .option("--no-http", "no HTTP endpoint")
    .option("--host <host>", "address that the endpoint listens on; one that other machines can reach needs tokens (default 127.0.0.1)")
    .option("--tokens <file>", "file with the tokens that it knows, SCOPE:TOKEN each; as MILLRACE_TOKENS of the environment")
    .option("--name <name>", "another name by which it may be asked, as that of a proxy; may be repeated", collect)
    .addOption(
      new Option("--requests-per-second <n>", "requests that one client may make a second; none: any number (default 2000 beyond loopback)").argParser(rateOf),
    )
    .option("--drop <name>", "delete the stored data of what the code no longer has: PARTICIPANT or PARTICIPANT/PART; may be repeated", collect)
    .addOption(new Option("--lease <ms>", "how long the shards of a worker that died stay its own, ms (default 2000)").argParser(leaseOf))
    .addOption(
      new Option("--stall <ms>", "how long a handler may keep the process busy before it is ended, ms; 0: for ever (default 30000)").argParser(stallOf),
    )
    .addOption(new Option("--workers <n>", "run it in so many processes on this machine, which share the work: a store on Redis").argParser(workersOf))
    .option("--json", "what is said on standard error, one object a line", false)
    .option("--watch", "run new code on the same state whenever the file, or what it imports of the same project, changes", false)
    .action(async (file: string, options: RunCommandOptions) => {
      const { runCommand } = await import("./run-command.ts");
      ended(await runCommand(file, options));
    });

  asking(
    program
      .command("watermarks")
      .description("Shows the low watermarks of a running pipeline and what holds them.")
      .argument("[participant]", "show the shards of this one"),
  ).action(async (participant: string | undefined, options: RemoteOptions) => {
    ended(await watermarksCommand(participant, options));
  });

  addInspectCommand(program, ended);
  addStateCommand(program, ended);
  addTimersCommand(program, ended);
  addDeadLettersCommand(program, ended);
  addExplainCommand(program, ended);
  addTailCommand(program, ended);
  addGraphCommand(program, ended);
  addInitCommand(program, ended);

  asking(program.command("workers").description("Shows who works on a running pipeline, what each owns, and what waits for what.")).action(
    async (options: RemoteOptions) => {
      ended(await workersCommand(options));
    },
  );
  addStoreCommands(program, ended);
  addMendingCommands(program, ended);
  return program;
}

/** Commands for what is stored, whether anything runs or not. */
function addStoreCommands(program: Command, ended: (code: number) => void): void {
  program
    .command("audit")
    .description("Checks what is stored of a pipeline, while it runs or not, and writes nothing. Exit code 0: sound, 1: violations, 2: could not be checked.")
    .addOption(storeOption(KEPT_FORMS))
    .option("--pipeline <name>", "check this one (default: every pipeline of the store)")
    .option("--json", "as JSON", false)
    .action(async (options: AuditCommandOptions) => {
      const { auditCommand } = await import("./audit-command.ts");
      ended(await auditCommand(options));
    });

  program
    .command("copy")
    .description("Copies a stopped pipeline to another store, or to another number of shards. Killed, it goes on when it is given again.")
    .argument("<from>", KEPT_FORMS)
    .argument("<to>", "the same; it must not have the pipeline yet")
    .option("--pipeline <name>", "copy this one (default: the only one there is)")
    .addOption(shardsOption())
    .option("--json", "as JSON", false)
    .action(async (from: string, to: string, options: MovingOptions) => {
      const { copyCommand } = await import("./offline-commands.ts");
      ended(await copyCommand(from, to, options));
    });

  program
    .command("export")
    .description("Writes a stopped pipeline to a file.")
    .argument("<file>", "where to; must not be there yet")
    .addOption(storeOption(KEPT_FORMS))
    .option("--pipeline <name>", "export this one (default: the only one there is)")
    .option("--json", "as JSON", false)
    .action(async (file: string, options: MovingOptions & { readonly store: string }) => {
      const { exportCommand } = await import("./offline-commands.ts");
      ended(await exportCommand(file, options));
    });

  program
    .command("import")
    .description("Writes the pipeline that a file holds to a store. Killed, it goes on when it is given again.")
    .argument("<file>", "a file of millrace export")
    .addOption(storeOption(KEPT_FORMS))
    .addOption(shardsOption())
    .option("--json", "as JSON", false)
    .action(async (file: string, options: MovingOptions & { readonly store: string }) => {
      const { importCommand } = await import("./offline-commands.ts");
      ended(await importCommand(file, options));
    });
}

/** Commands for what is stored of a stopped pipeline, after which it does work again. */
function addMendingCommands(program: Command, ended: (code: number) => void): void {
  program
    .command("reset")
    .description("Lets computations and sinks of a stopped pipeline begin anew: tells what goes with them, and with --yes drops it.")
    .argument("<names...>", "computations and sinks")
    .addOption(storeOption(KEPT_FORMS))
    .option("--pipeline <name>", "of this one (default: the only one there is)")
    .option("--yes", "do it", false)
    .option("--json", "as JSON", false)
    .action(async (names: string[], options: ResetCommandOptions) => {
      const { resetCommand } = await import("./mending-commands.ts");
      ended(await resetCommand(names, options));
    });

  program
    .command("rewind")
    .description("Lets an injector of a stopped pipeline read again: tells what follows, and with --yes does it.")
    .argument("<file>", "the file of the pipeline, as for run")
    .argument("<injector>", "its name")
    .requiredOption("--to <place>", "start, a time (2026-11-22T10:00:00Z), or position:JSON")
    .option("--reset <name>", "a computation or sink that begins anew with it; may be repeated", collect)
    .addOption(storeOption(KEPT_FORMS))
    .option("--yes", "do it", false)
    .option("--json", "as JSON", false)
    .action(async (file: string, injector: string, options: RewindCommandOptions) => {
      const { rewindCommand } = await import("./mending-commands.ts");
      ended(await rewindCommand(file, injector, options));
    });
}

function portOf(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError("It is a number from 0 to 65535.");
  return port;
}

function rateOf(text: string): number | false {
  if (text === "none") return false;
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > MOST_REQUESTS)
    throw new InvalidArgumentError(`It is a number from 1 to ${MOST_REQUESTS}, or none.`);
  return Number(text);
}

function leaseOf(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 200 || Number(text) > 3_600_000) throw new InvalidArgumentError("It is a number from 200 to 3600000.");
  return Number(text);
}

function shardsOf(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > SHARDS) throw new InvalidArgumentError(`It is a number from 1 to ${SHARDS}.`);
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
