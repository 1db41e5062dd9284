/**
 * `npm run demo` as people start it: processes, files, signals. What it says is compared with windows recounted from the
 * parquet file in plain code.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { anomaliesPath, windowsPath } from "../../../examples/zeitgeist/conversation.ts";
import { type Counts, episodesOf, readAnomalies, readWindows, totalsOf } from "../../../examples/zeitgeist/results.ts";
import type { Summary } from "../../../examples/zeitgeist/run-directory.ts";
import { startRedis } from "../../support/redis-server.ts";
import { sized, thorough } from "../../support/size.ts";
import { ALL_ROWS, difference, plainCounts } from "./tables.ts";
import { built } from "../../support/built.ts";

const MAIN = built("examples/zeitgeist/main.ts");
/** Of a run of all rows on a busy machine, and of one that is killed and started again all the time. */
const LONG = sized(480_000, 3_600_000);

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "zeitgeist-"));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

function start(...args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let [out, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  return { child, ended: new Promise((resolve) => child.once("close", (code) => resolve({ code, out, errors }))) };
}

/** Of the HTTP endpoint, as it is told to people. */
async function address(child: ChildProcess): Promise<string> {
  let said = "";
  return await new Promise((resolve) => {
    child.stdout?.on("data", (text: string) => {
      const [found] = /http:\/\/\S+/.exec((said += text)) ?? [];
      if (found !== undefined) resolve(found);
    });
  });
}

/** What `--json` printed: one object, and nothing else anywhere. */
async function json(...args: readonly string[]): Promise<Summary & { readonly recomputed?: number }> {
  const { code, out, errors } = await start("--json", ...args).ended;
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  return JSON.parse(out) as Summary;
}

describe(sized("a hundredth of the rows", "all rows"), () => {
  const ROWS = sized(30_000, ALL_ROWS);
  test(
    "every window is exact, and started again nothing is recomputed",
    async () => {
      const directory = join(folder, "all");
      const summary = await json("--data-dir", directory, ...sized(["--limit", String(ROWS)], []));
      const { counts, totals } = await readWindows(windowsPath(directory));
      expect(difference(counts, await plainCounts(ROWS))).toBeUndefined();
      expect(totals).toMatchObject({ windows: thorough ? 977_918 : totalsOf(counts, 0).windows, flights: ROWS, digest: summary.digest });
      if (thorough) expect(totals.airports).toBe(229);
      expect(summary).toMatchObject({ records: ROWS, windows: totals.windows, duplicates: 0, deadLetters: 0, violations: 0 });
      expect(summary.late).toBeGreaterThan(0);
      expect(summary.peakRssMiB).toBeLessThan(512);
      expect(summary.anomalies).toBe((await readAnomalies(anomaliesPath(directory))).length);
      expect(summary.recordsPerSecond).toBeCloseTo(summary.records / summary.seconds, -3);
      console.log(`${ROWS} rows: ${JSON.stringify(summary)}`);
      if (thorough) await knownDays(directory);
      const before = readFileSync(anomaliesPath(directory));
      expect(await json("--data-dir", directory, ...sized(["--limit", String(ROWS)], []))).toEqual({ ...summary, recomputed: 0 });
      expect(readFileSync(anomaliesPath(directory)).equals(before)).toBe(true);
    },
    LONG,
  );

  /** Days that are in the newspapers: Houston under tropical storm Allison, the thunderstorms of 14 June in Dallas. */
  async function knownDays(directory: string): Promise<void> {
    const dips = episodesOf(await readAnomalies(anomaliesPath(directory)))
      .filter(({ kind }) => kind === "dip")
      .slice(0, 20);
    for (const [airport, day] of [
      ["IAH", Date.UTC(2001, 5, 9)],
      ["DFW", Date.UTC(2001, 5, 14)],
    ] as const) {
      expect(dips.some((dip) => dip.airport === airport && dip.start >= day && dip.start < day + 86_400_000)).toBe(true);
    }
  }
});

describe("killed again and again", () => {
  const ROWS = sized(15_000, ALL_ROWS);
  let right: Counts;
  beforeAll(async () => {
    right = await plainCounts(ROWS);
  });

  async function survives(directory: string, store: string, kills: number): Promise<void> {
    const summary = await json("--data-dir", directory, "--store", store, "--limit", String(ROWS), "--kill", String(kills));
    expect(difference((await readWindows(windowsPath(directory))).counts, right)).toBeUndefined();
    const totals = totalsOf(right, 0);
    expect(summary).toMatchObject({ records: ROWS, duplicates: 0, deadLetters: 0, windows: totals.windows, digest: totals.digest, violations: 0 });
    const { before, during, after, withBacklog } = summary.kills as NonNullable<Summary["kills"]>;
    console.log(`killed on ${store}: ${JSON.stringify(summary)}`);
    for (const each of [before, during, after]) expect(each).toBeGreaterThan(0);
    expect(before + during + after).toBeGreaterThanOrEqual(kills);
    expect(withBacklog).toBe(before + during + after);
  }

  test(
    "before, during and after commits, with records in the inboxes, the result is the same on LMDB",
    async () => {
      await survives(join(folder, "killed-lmdb"), "lmdb", sized(3, 10));
    },
    LONG,
  );

  test(
    "and on Redis",
    async () => {
      const redis = await startRedis({ tcp: true });
      try {
        await survives(join(folder, "killed-redis"), redis.url, sized(3, 10));
      } finally {
        await redis.stop();
      }
    },
    LONG,
  );
});

describe("on the command line", () => {
  test(
    "it says what it does, where to look meanwhile, and what came of it",
    async () => {
      const { child, ended } = start("--limit", "15000", "--store", "memory", "--data-dir", "said");
      const url = await address(child);
      expect((await fetch(`${url}/v1/watermarks`)).status).toBe(200);
      const { code, out } = await ended;
      expect(code).toBe(0);
      for (const part of ["The strongest dips", "flights    15,000", "digest     ", join("said", "windows.ndjson")]) expect(out).toContain(part);
      expect(out).not.toContain("\u001b");
    },
    LONG,
  );

  test(
    "interrupted and started again it goes on",
    async () => {
      const args = ["--limit", "20000", "--data-dir", join(folder, "interrupted")];
      const { child, ended } = start(...args);
      await address(child);
      child.kill("SIGINT");
      const { code, out, errors } = await ended;
      expect({ code, errors }).toEqual({ code: 130, errors: "" });
      expect(out).toContain("Stopped. What was done is stored");
      expect((await json(...args)).digest).toBe(totalsOf(await plainCounts(20_000), 0).digest);
    },
    LONG,
  );

  test(
    "a directory that holds another run is left alone",
    async () => {
      await json("--limit", "1000", "--data-dir", "other");
      const { code, errors } = await start("--limit", "2000", "--data-dir", "other").ended;
      expect(code).toBe(1);
      expect(errors).toContain("other holds a run of 1000 rows on lmdb, not of 2000 rows on lmdb");
    },
    LONG,
  );

  test.each([[["--limit", "none"]], [["--store", "sqlite"]], [["--store", "memory", "--kill", "1"]], [["--limit", "0"]]])("%j is refused", async (args) => {
    const { code, out, errors } = await start(...args, "--data-dir", "refused").ended;
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(errors).toMatch(/^--/);
  });
});
