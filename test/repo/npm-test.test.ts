/** What `scripts/test.mjs` promises of a run: T2. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { root } from "./project-files.ts";

async function npmTest(env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<{ code: unknown; output: string; errors: string }> {
  const child = spawn(process.execPath, ["scripts/test.mjs", ...args], { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code, output, errors };
}

test.each(["soon", "0", "-1", "", "NaN", "Infinity", "1441"])("TEST_MINUTES=%s is refused in one sentence", async (minutes) => {
  const { code, output, errors } = await npmTest({ TEST_MINUTES: minutes }, "test/time-index.test.ts");
  expect(errors).toBe(`TEST_MINUTES is "${minutes}": give the minutes that the tests may take, above 0 and at most 1440.\n`);
  expect([code, output]).toEqual([1, "0 passed, 1 failed\n"]);
});
