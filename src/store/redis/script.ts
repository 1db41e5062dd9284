/**
 * What a Lua script is to the rest of the store: its text, its digest, and what its header promises. The header of each
 * `lua/*.lua` file and its definition in `scripts.ts` say the same, word for word (`test/store/redis/scripts.test.ts`).
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

export interface ScriptDefinition<Outcome extends string> {
  /** In `lua/`. */
  readonly file: string;
  /** "allow-oom": may run when Redis is at its memory limit, because what it writes lets memory be freed. */
  readonly flags: "" | "allow-oom" | "no-writes";
  /** Grammar of KEYS: names of structures; (...)* repeats. */
  readonly keys: string;
  /** Grammar of ARGV. */
  readonly args: string;
  readonly reply: string;
  /** The letters by which the reply tells outcomes. */
  readonly outcomes: Readonly<Record<string, Outcome>>;
}

export interface Script<Outcome extends string = string> extends ScriptDefinition<Outcome> {
  readonly source: string;
  /** By which the server knows it once it was loaded. */
  readonly sha: string;
}

/** The file, of `folder`, is read when the script is first used: who does not use Redis reads none. */
export function defineScript<const Outcome extends string = never>(
  definition: ScriptDefinition<Outcome>,
  folder: URL = new URL("./lua/", import.meta.url),
): Script<Outcome> {
  let source: string | undefined;
  let sha: string | undefined;
  return {
    ...definition,
    get source(): string {
      return (source ??= readFileSync(new URL(definition.file, folder), "utf8"));
    },
    get sha(): string {
      return (sha ??= createHash("sha1").update(this.source).digest("hex"));
    },
  };
}
