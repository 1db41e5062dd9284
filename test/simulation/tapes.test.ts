/** Tapes that once broke a rule, run again: none does, and each still does with the wrong planted that it was kept for. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { explain } from "../../sim/explain.ts";
import { run } from "../../sim/schedule.ts";
import { readTapes, type TapeVerdict } from "../../sim/tapes.ts";
import { tapeOfText } from "../../src/testing/simulation/tape-text.ts";
import { Tape } from "../../src/testing/simulation/tape.ts";
import { built } from "../support/built.ts";

/** ms, on a slow machine. */
const LIMIT = 300_000;
const LEAST = 10;

const tapes = readTapes();

test("there are tapes", () => {
  expect(tapes.size).toBeGreaterThanOrEqual(LEAST);
});

test.each([...tapes.keys()])(
  "%s breaks no rule",
  async (file) => {
    const text = tapes.get(file)?.text ?? "";
    const tape = (): Tape => Tape.of(tapeOfText(text));
    const { violation } = await run(tape());
    expect(violation && (await explain(tape(), `npm run sim -- --tape ${text}`))).toBeUndefined();
  },
  LIMIT,
);

test(
  "each breaks its rule with its wrong planted; if not, npm run sim -- --tapes --remake",
  async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [built("sim/main.ts"), "--tapes", "--json"]).catch((error: { stdout: string }) => error);
    const { table } = JSON.parse(stdout) as { readonly table: readonly TapeVerdict[] };
    expect(table.map(({ file }) => file)).toEqual([...tapes.keys()]);
    expect(table.filter(({ stale }) => stale)).toEqual([]);
  },
  LIMIT,
);
