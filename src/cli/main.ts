#!/usr/bin/env node
/** The `millrace` command: runs what `program.ts` makes of the words, and ends with its exit code. */
import { CommanderError } from "commander";
import { DONE, endingOf, MISTAKEN } from "./exit.ts";
import { programOf } from "./program.ts";

let code = DONE;
const program = programOf((by) => {
  code = by;
});
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
