/**
 * `npm run test:thorough`: the tests with the numbers of a campaign (`test/support/size.ts`): more schedules, kills and
 * pairs of stores, and the demo with all 3,000,000 rows, killed ten times on LMDB and on Redis. Takes hours and 6 GiB; not
 * part of `npm test`. Arguments are for Vitest: `npm run test:thorough -- test/examples/zeitgeist`.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const HOUR_MS = 3_600_000;
const args = [`--testTimeout=${HOUR_MS}`, `--hookTimeout=${HOUR_MS}`, ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, [fileURLToPath(new URL("./test.mjs", import.meta.url)), ...args], {
  stdio: "inherit",
  env: { ...process.env, TEST_SIZE: "thorough", TEST_MINUTES: "480", NODE_OPTIONS: "--max-old-space-size=8192" },
});
process.exit(status ?? 1);
