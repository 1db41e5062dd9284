/** What `scripts/test.mjs` promises of a run: T2 and T4. Each test is a run of its own, of next to nothing. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync } from "node:fs";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { root } from "./project-files.ts";

/** ms for a run within this one, on a busy machine. */
const LIMIT = 180_000;
const path = temporaryDirectory();

async function npmTest(env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<{ code: unknown; output: string; errors: string }> {
  const child = spawn(process.execPath, ["scripts/test.mjs", ...args], { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code, output, errors };
}

test(
  "a run leaves nothing in the system's temporary directory",
  async () => {
    const directory = path("temporary");
    mkdirSync(directory);
    // These load TypeScript at run time, which is kept there for the next time.
    const { code, output } = await npmTest({ TMPDIR: directory }, "test/cli/load-pipeline.test.ts");
    expect(output).toMatch(/\n[1-9]\d* passed, 0 failed\n$/);
    expect(code).toBe(0);
    expect(readdirSync(directory)).toEqual([]);
  },
  LIMIT,
);

test.each(["soon", "0", "-1", "", "NaN", "Infinity", "1441"])("TEST_MINUTES=%s is refused in one sentence", async (minutes) => {
  const { code, output, errors } = await npmTest({ TEST_MINUTES: minutes }, "test/time-index.test.ts");
  expect(errors).toBe(`TEST_MINUTES is "${minutes}": give the minutes that the tests may take, above 0 and at most 1440.\n`);
  expect([code, output]).toEqual([1, "0 passed, 1 failed\n"]);
});
