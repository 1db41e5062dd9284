/**
 * `npm test`: finds or installs a Redis server, runs Vitest (arguments go to it: `npm test -- test/store`), and prints,
 * last, `N passed, N failed`. Exits with 0 exactly when that line says that something passed and nothing failed.
 *
 * T1  Nothing is silently skipped: a skipped test is named and counts as failed.
 * T2  The closing line is printed however the run ends: a crash, a hang, or a missing server included.
 * T3  A process that a test left behind is ended, named, and counts as failed.
 * T4  Whatever the run puts into the system's temporary directory, Vitest and the tested processes included, is gone
 *     afterwards: for its time that directory is one of its own.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ensureRedisServer } from "./redis-server.mjs";

/** Of the 15 minutes that continuous integration allows, what `npm ci` leaves. A soak takes longer, and says so. */
const MINUTES = process.env.TEST_MINUTES ?? "14";
/** A day: no run takes that long, and a timer that is set for 25 of them ends at once. */
const MOST_MINUTES = 1_440;
/** How long helpers of Vitest may take to end after it. */
const LEAVE_MS = 3_000;

const BEGAN = Date.now();
const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "millrace-test-"));
const tallyFile = join(folder, "tally.json");

const problems = [];
try {
  const limitMs = limitOf(MINUTES);
  const redisServer = ensureRedisServer();
  problems.push(...(await runVitest(redisServer, process.argv.slice(2), limitMs)));
} catch (error) {
  problems.push(error.message);
}
const tally = existsSync(tallyFile) ? JSON.parse(readFileSync(tallyFile, "utf8")) : { complete: false, passed: 0, failed: 0, skipped: [], broken: [] };
try {
  // Processes that were killed a moment ago may still be at it.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
} catch (error) {
  problems.push(`The temporary files of the tests stay: ${error.message}`);
}
// Once more, for whoever has only the end of what was printed, or a run that was cut short.
for (const name of tally.broken) console.error(`Failed: ${name}`);
for (const name of tally.skipped) console.error(`Skipped, which counts as failed: ${name}`);
for (const problem of problems) console.error(problem);
// Vitest's own verdict is already in the tally, unless it never gave one.
const failed = Math.max(tally.failed + problems.length, tally.complete && tally.passed > 0 ? 0 : 1);
console.log(`${tally.passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** In ms. Throws an error of one line. */
function limitOf(minutes) {
  const limit = minutes.trim() === "" ? Number.NaN : Number(minutes);
  if (limit > 0 && limit <= MOST_MINUTES) return limit * 60_000;
  throw new Error(`TEST_MINUTES is "${minutes}": give the minutes that the tests may take, above 0 and at most ${MOST_MINUTES}.`);
}

/** Runs Vitest in a process group of its own. Gives what went wrong outside of tests, one line each. */
async function runVitest(redisServer, args, limitMs) {
  const reporters = ["--reporter=default", `--reporter=${fileURLToPath(new URL("./tally-reporter.mjs", import.meta.url))}`];
  const child = spawn(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), "run", ...reporters, ...args], {
    cwd: root,
    stdio: "inherit",
    detached: true,
    // When it began: what fills the time that is left goes by that.
    env: { ...process.env, TEST_BEGAN: String(BEGAN), TMPDIR: folder, TALLY_FILE: tallyFile, MILLRACE_REDIS_SERVER: redisServer },
  });
  const stop = (signal) => endGroup(child.pid, signal);
  process.on("SIGINT", stop).on("SIGTERM", stop);
  let late = false;
  const watchdog = setTimeout(() => {
    late = true;
    endGroup(child.pid, "SIGKILL");
  }, limitMs);
  const [code, signal] = await new Promise((resolve) => child.once("exit", (...outcome) => resolve(outcome)));
  clearTimeout(watchdog);
  process.off("SIGINT", stop).off("SIGTERM", stop);
  if (late) return [`The tests were ended after ${limitMs / 60_000} minutes.`];
  const left = await leftBehind(child.pid);
  if (signal !== null) return [...left, `Vitest was ended by ${signal}.`];
  return code === 0 || (existsSync(tallyFile) && JSON.parse(readFileSync(tallyFile, "utf8")).failed > 0) ? left : [...left, `Vitest ended with code ${code}.`];
}

/** Ends what is still alive of the group after a moment, and says what it was. Knows how to look only on Linux. */
async function leftBehind(group) {
  const until = Date.now() + LEAVE_MS;
  let alive = membersOf(group);
  while (alive.length > 0 && Date.now() < until) {
    await delay(50);
    alive = membersOf(group);
  }
  if (alive.length > 0) endGroup(group, "SIGKILL");
  return alive.map((command) => `A test left a process behind: ${command}`);
}

/** Command lines of the processes of a group, without those that are dead and only wait to be collected. */
function membersOf(group) {
  if (!existsSync("/proc/self/stat")) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const [state, , processGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        if (Number(processGroup) !== group || state === "Z") return [];
        return [readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()];
      } catch {
        return []; // It ended while we looked.
      }
    });
}

function endGroup(group, signal) {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}
