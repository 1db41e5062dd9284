/**
 * A process of its own for `test/sinks/to-file.test.ts`, started with a limit on the size of its files, which does what
 * a full disk does. Writes a short record, then one that is too long, then a short one, and prints what came of them.
 */
import { toFile } from "../../src/sinks/to-file.ts";
import { recordsOf } from "./records.ts";

const writer = await toFile(process.argv[2]!).open(undefined);
const outcomes: unknown[] = [];
for (const value of ["a", "x".repeat(10_000_000), "b"]) {
  try {
    outcomes.push(await writer.write(recordsOf([value])));
  } catch (error) {
    outcomes.push(`${(error as Error).name}: ${(error as Error).message}`);
  }
}
await writer.close();
process.stdout.write(JSON.stringify(outcomes));
