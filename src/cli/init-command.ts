/** `millrace init`: a project that type-checks, runs and tests, in a new directory. Nothing is downloaded. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { Command } from "commander";
import { messageOf } from "../errors.ts";
import { NAME_PATTERN } from "../limits.ts";
import { DONE, UsageError } from "./exit.ts";
import { filesOf } from "./init-files.ts";
import { print } from "./remote.ts";

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** `ended`: told the exit code. */
export function addInitCommand(program: Command, ended: (code: number) => void): void {
  program
    .command("init")
    .description("Makes a project with a pipeline, data for it and a test, in a directory that is new or empty.")
    .argument("<directory>")
    .option("--json", "as JSON", false)
    .action((directory: string, options: { readonly json: boolean }) => {
      const files = init(directory);
      print({ directory: resolve(directory), files }, options, () => [
        ...files.map((file) => join(directory, file)),
        "",
        `next: cd ${directory} && npm install && npm test && npm start`,
      ]);
      ended(DONE);
    });
}

/** Names of the files that were written. Throws `UsageError` where there is something already. */
function init(directory: string): string[] {
  const path = resolve(directory);
  const name = basename(path);
  if (!NAME_PATTERN.test(name) || name.startsWith("."))
    throw new UsageError(`${directory}: the name of the directory becomes the pipeline's, and has 1 to 64 of A-Z a-z 0-9 _ . -, not beginning with a dot`);
  const { version, dependencies } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as Manifest;
  const files = filesOf(name, { millrace: `^${version}`, jiti: dependencies["jiti"] ?? "*" });
  try {
    if (existsSync(path) && readdirSync(path).length > 0) throw new UsageError(`${directory} is not empty: give a directory that is new`);
    mkdirSync(path, { recursive: true });
    for (const [file, text] of files) writeFileSync(join(path, file), text, { flag: "wx" });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${directory} cannot be written: ${messageOf(error)}`, { cause: error });
  }
  return [...files.keys()];
}
