/** The command line as people start it: in a process of its own, in a directory of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";
import { built } from "../support/built.ts";

const MAIN = built("src/cli/main.ts");

/** What a pipeline file of a test imports the library by. */
export const LIBRARY: string = pathToFileURL(built("src/index.ts")).href;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

export class Command {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  out = "";
  errors = "";

  constructor(directory: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const { MILLRACE_STORE: _, ...inherited } = process.env;
    this.process = spawn(process.execPath, [MAIN, ...args], {
      cwd: directory,
      env: { ...inherited, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.process.stdout?.on("data", (text: Buffer) => (this.out += text.toString()));
    this.process.stderr?.on("data", (text: Buffer) => (this.errors += text.toString()));
    this.ended = once(this.process, "close").then(([code]) => ({ code: code as number | null, out: this.out, errors: this.errors }));
  }

  /** Resolves once it has written this to standard error; rejects if it ends before. */
  async hasSaid(text: string | RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const found = this.errors.match(text);
      if (found !== null) return found;
      const next = this.process.stderr === null ? undefined : once(this.process.stderr, "data");
      const ended = await Promise.race([next?.then(() => undefined), this.ended]);
      if (ended !== undefined && this.errors.match(text) === null)
        throw new Error(`ended with code ${ended.code} before it said ${String(text)}:\n${ended.errors}`);
    }
  }
}

/** A directory to start commands in, gone with those that still run when the test is done. */
export class Workplace {
  readonly directory: string = mkdtempSync(join(tmpdir(), "millrace-cli-"));
  readonly #started: Command[] = [];

  constructor() {
    onTestFinished(async () => {
      for (const { process } of this.#started) process.kill("SIGKILL");
      await Promise.all(this.#started.map(({ ended }) => ended));
      rmSync(this.directory, { recursive: true, force: true });
    });
  }

  start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Command {
    const command = new Command(this.directory, args, environment);
    this.#started.push(command);
    return command;
  }

  async run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return this.start(args, environment).ended;
  }

  write(name: string, text: string): string {
    writeFileSync(join(this.directory, name), text);
    return name;
  }

  lines(name: string): string[] {
    return readFileSync(join(this.directory, name), "utf8").trimEnd().split("\n");
  }
}
