/** A directory that is gone when the test file is done. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** Gives a function that names a new path in a fresh directory: `path("a.ndjson")`. */
export function temporaryDirectory(): (name: string) => string {
  const directory = mkdtempSync(join(tmpdir(), "millrace-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  let count = 0;
  return (name) => join(directory, `${++count}-${name}`);
}
