/** `npm run sim -- [options]`: simulates, and prints what came of it; as one JSON object with `--json`. Exit code 1: a violation, or a rare event unseen. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Tape } from "../src/testing/simulation/tape.ts";
import { campaign } from "./campaign.ts";
import { lineCoverage } from "./coverage.ts";
import { crashPairs, runPairs } from "./crash-pairs.ts";
import { explain, textOf } from "./explain.ts";
import { readMutants, tryMutant, type Verdict } from "./mutants.ts";
import { RARE_EVENTS } from "./rare-events.ts";
import { run } from "./schedule.ts";
import { shrink } from "../src/testing/simulation/shrink.ts";
import { tapeOfText, textOfTape } from "../src/testing/simulation/tape-text.ts";
import { checkTapes, makeTape, readTapes } from "./tapes.ts";
import { median, type Failing, type Totals } from "./totals.ts";

const HELP = `usage: npm run sim -- [options]

  --schedules N   how many schedules (default 10000)
  --seed S        the first seed (default 1); each schedule has the next one
  --mutants       plant each wrong of mutants/ in a copy of the engine, and see whether it is found within --schedules
  --only TEXT     only the mutants whose names contain this, or their tapes
  --tapes         does each tape of test/simulation/tapes still find its wrong?
  --remake        with --tapes: makes those that do not again; with --only too, makes those of these mutants
  --crash-pairs   two crash points in one run: all ordered pairs, killed and paused; docs/simulation.md
  --tape T        run this tape alone, and show its timeline
  --minutes M     begin no more after so long
  --least N       but so many (default 0)
  --threads N     (default: as many as there are cores)
  --coverage N    measure line coverage by so many of the schedules (default 0; takes longer)
  --json          print one JSON object
`;
/** Schedules after which every rare event has to have been seen. */
const ENOUGH = 5_000;

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    tape: { type: "string" },
    mutants: { type: "boolean", default: false },
    only: { type: "string" },
    "crash-pairs": { type: "boolean", default: false },
    tapes: { type: "boolean", default: false },
    remake: { type: "boolean", default: false },
    minutes: { type: "string", default: "1440" },
    least: { type: "string", default: "0" },
    threads: { type: "string", default: String(availableParallelism()) },
    coverage: { type: "string", default: "0" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function number(name: "schedules" | "seed" | "minutes" | "least" | "threads" | "coverage"): number {
  const given = Number(values[name]);
  if (Number.isInteger(given) && given >= (name === "coverage" || name === "least" ? 0 : 1)) return given;
  console.error(`--${name} ${values[name]}: give a whole number\n\n${HELP}`);
  process.exit(2);
}

if (values.help) console.log(HELP);
else if (values.mutants) await tryMutants();
else if (values["crash-pairs"]) await tryPairs();
else if (values.tapes) await tryTapes();
else if (values.tape === undefined) await simulate();
else await replay(values.tape);

async function simulate(): Promise<void> {
  const start = performance.now();
  const sampled = number("coverage");
  const coverage = sampled === 0 ? null : await lineCoverage(number("seed"), sampled);
  const begin = performance.now();
  let told = begin;
  const totals = await campaign({
    seed: number("seed"),
    schedules: number("schedules"),
    threads: number("threads"),
    within: number("minutes") * 60_000 - (begin - start),
    least: number("least"),
    progress: (schedules) => {
      if (values.json || performance.now() < told + 5_000) return;
      told = performance.now();
      console.log(`${schedules} schedules, ${Math.round((1_000 * schedules) / (told - begin))} a second`);
    },
  });
  const seconds = (performance.now() - begin) / 1_000;
  const result = { ...summary(totals), schedulesPerSecond: Math.round(totals.steps.length / seconds), threads: number("threads"), coverage };
  if (values.json) console.log(JSON.stringify(result));
  else for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(24)}${typeof value === "object" ? JSON.stringify(value) : value}`);
  const [failing] = totals.violations;
  if (failing !== undefined) await tell(failing);
  if (failing !== undefined || result.unseenRareEvents.length > 0) process.exitCode = 1;
}

function summary({ steps, faults, workers, strategies, seen, violations }: Totals) {
  const unseen = [...RARE_EVENTS.keys()].filter((event) => !seen.has(event));
  return {
    schedules: steps.length,
    steps: steps.reduce((sum, each) => sum + each, 0),
    medianSteps: median(steps),
    faults: faults.reduce((sum, each) => sum + each, 0),
    medianFaults: median(faults),
    medianWorkers: median(workers),
    violations: violations.length,
    unseenRareEvents: steps.length < ENOUGH ? [] : unseen,
    rareEvents: Object.fromEntries([...RARE_EVENTS.keys()].map((event) => [event, seen.get(event) ?? 0])),
    strategies: Object.fromEntries(strategies),
  };
}

/** A violation, made as plain as it gets. To stderr: what was asked for as JSON stays one object. */
async function tell({ seed, rule, cells }: Failing): Promise<void> {
  console.error(`seed ${seed} breaks ${rule}; looking for the plainest schedule that does ...`);
  const plain = await shrink(cells, rule, (tape) => run(tape));
  console.error(await explain(Tape.of(plain.cells), `npm run sim -- --tape ${textOfTape(plain.cells)}`));
}

async function tryMutants(): Promise<void> {
  const mutants = readMutants(values.only);
  const verdicts: Verdict[] = [];
  const waiting = [...mutants];
  const lane = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const verdict = await tryMutant(mutant, number("seed"), number("schedules"));
      verdicts.push(verdict);
      if (!values.json) console.log(`${verdict.mutant.padEnd(52)}${verdict.schedules === undefined ? "NOT FOUND" : `${verdict.schedules}, ${verdict.rule}`}`);
    }
  };
  await Promise.all(Array.from({ length: number("threads") }, lane));
  const table = verdicts.toSorted((a, b) => (a.mutant < b.mutant ? -1 : 1));
  const caught = table.filter(({ schedules }) => schedules !== undefined);
  const result = { mutants: table.length, caught: caught.length, worstSchedules: Math.max(0, ...caught.map(({ schedules }) => schedules ?? 0)) };
  console.log(values.json ? JSON.stringify({ ...result, table }) : JSON.stringify(result));
  if (caught.length < table.length) process.exitCode = 1;
}

async function tryPairs(): Promise<void> {
  const begin = performance.now();
  let told = begin;
  const totals = await runPairs(crashPairs(), {}, ({ pairs, runs }) => {
    if (values.json || performance.now() < told + 5_000) return;
    told = performance.now();
    console.log(`${pairs} pairs, ${runs} runs`);
  });
  const seconds = Number(((performance.now() - begin) / 1_000).toFixed(1));
  console.log(JSON.stringify({ ...totals, violations: totals.violations.length, seconds }));
  for (const { pair, time, message } of totals.violations.slice(0, 5)) console.error(`${JSON.stringify(pair)} the time after ${time}: ${message}`);
  if (totals.violations.length > 0) process.exitCode = 1;
}

/** One line for each tape, or one JSON object. Exit code 1: one is stale and was not made again. */
async function tryTapes(): Promise<void> {
  const { only, remake } = values;
  const kept = new Map([...readTapes()].filter(([, { wrong }]) => wrong.includes(only ?? "")));
  const verdicts = remake && only !== undefined ? [] : await checkTapes(kept);
  const stale = new Set(verdicts.flatMap((verdict) => (verdict.stale ? [kept.get(verdict.file)?.wrong] : [])));
  const again = remake ? readMutants(only).filter(({ name }) => only !== undefined || stale.has(name)) : [];
  const made: string[] = [];
  if (!values.json) for (const { file, stale: is } of verdicts) console.log(`${file.padEnd(60)}${is ? "STALE" : "finds its wrong"}`);
  for (const mutant of again) {
    const found = await makeTape(mutant, number("seed"), number("schedules"));
    if (found !== undefined) made.push(mutant.name);
    if (!values.json) console.log(`${mutant.name.padEnd(60)}${found === undefined ? "NOT FOUND" : `made again of seed ${found}`}`);
  }
  const left = [...stale].filter((wrong) => !made.includes(wrong ?? ""));
  const result = { tapes: readTapes().size, stale: left, made };
  console.log(values.json ? JSON.stringify({ ...result, table: verdicts }) : JSON.stringify(result));
  if (left.length > 0 || made.length < again.length) process.exitCode = 1;
}

async function replay(text: string): Promise<void> {
  const recorded = await run(Tape.of(tapeOfText(text)), { recording: true });
  console.log(textOf(recorded, `npm run sim -- --tape ${text}`));
  if (recorded.violation !== undefined) process.exitCode = 1;
}
