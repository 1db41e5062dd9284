/**
 * `npm run test:all-rows`: the tests of the demo with all 3,000,000 rows in place of a part of them: killed ten times on
 * LMDB and on Redis, rows delivered twice, a planted dip and spike. Takes half an hour and 6 GiB; not part of `npm test`.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const HOUR_MS = 3_600_000;
const args = ["test/examples/zeitgeist", `--testTimeout=${HOUR_MS}`, `--hookTimeout=${HOUR_MS}`];
const { status } = spawnSync(process.execPath, [fileURLToPath(new URL("./test.mjs", import.meta.url)), ...args, ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { ...process.env, ZEITGEIST_ROWS: "all", TEST_MINUTES: "120", NODE_OPTIONS: "--max-old-space-size=8192" },
});
process.exit(status ?? 1);
