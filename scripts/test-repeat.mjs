/**
 * `npm run test:repeat -- 20 [what]`: runs the tests that many times in a row and stops at the first run that fails.
 * A test that passes only most of the time is a failing test.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const [first = "20", ...args] = process.argv.slice(2);
const times = Number(first);
if (!Number.isSafeInteger(times) || times < 1) {
  console.error(`How many times? "${first}" is not a number of runs: npm run test:repeat -- 20 test/store`);
  process.exit(2);
}
for (let run = 1; run <= times; run++) {
  console.log(`Run ${run} of ${times}`);
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL("./test.mjs", import.meta.url)), ...args], { stdio: "inherit" });
  if (status !== 0) process.exit(1);
}
