/** A pipeline whose code breaks its process: by an endless loop, an exit, an exception outside of any call. */
import { onTestFinished, describe, expect, test, vi } from "vitest";
import { startRedis } from "../support/redis-server.ts";
import { LIBRARY, Workplace } from "./commands.ts";

vi.setConfig({ testTimeout: 240_000 });

const RECORDS = 300;

/** Counts by key; the record "bad" breaks the process in a way that the environment names. */
const PIPELINE = `
import { Computation, fromFile, input, output, Pipeline, state, stream, toFile } from ${JSON.stringify(LIBRARY)};
const items = stream("items");
const totals = stream("totals");
class Tally extends Computation {
  items = input(items, { key: (item) => item.key });
  totals = output(totals);
  count = state("count", { initial: 0 });
  processRecord(record, context) {
    if (record.value.bad) this.bad();
    context.state(this.count).update((count) => count + 1);
    context.produce(this.totals, context.key + " " + context.state(this.count).get());
  }
  bad() {
    if (process.env.BREAK === "loop") for (;;) Math.sqrt(2);
    if (process.env.BREAK === "exit") process.exit(0);
    if (process.env.BREAK === "reject") void Promise.reject(new Error("no one waits for me"));
  }
}
export default new Pipeline("tally", { shards: 4 })
  .inject("items", items, fromFile("items.ndjson"))
  .compute("tally", Tally)
  .sink("totals", totals, toFile("totals.ndjson"));
`;

function place(): Workplace {
  const workplace = new Workplace();
  workplace.write("tally.mjs", PIPELINE);
  const lines = Array.from({ length: RECORDS }, (_, n) => JSON.stringify({ key: `k${n % 6}`, ...(n === 100 && { bad: true }) }));
  workplace.write("items.ndjson", `${lines.join("\n")}\n`);
  return workplace;
}

/** Each key's counts, each once, in order; of the bad record's key one is missing. */
function expectTotals(workplace: Workplace, lost: number): void {
  const totals = workplace.lines("totals.ndjson").map((line) => JSON.parse(line) as string);
  expect(totals).toHaveLength(RECORDS - lost);
  for (let k = 0; k < 6; k++) {
    const mine = totals.filter((each) => each.startsWith(`k${k} `)).map((each) => Number(each.slice(3)));
    expect(mine).toEqual(mine.map((_, n) => n + 1));
  }
}

describe("a record that ends its process", () => {
  test("by an endless loop is named with its key and its code, and given up by those that take over", async () => {
    const server = await startRedis({ tcp: true });
    onTestFinished(() => server.stop());
    const workplace = place();
    const args = ["run", "tally.mjs", "--workers", "2", "--no-http", "--lease", "500", "--stall", "1000"];
    const { code, errors } = await workplace.run(args, { MILLRACE_STORE: server.url, BREAK: "loop" });
    expect(code).toBe(0);
    expect(errors).toMatch(/error: computation "tally", key "k4": its handler has kept the process busy for 1 s, in bad.*; the process ends/);
    expect(errors).toMatch(/worker \d died \(SIGKILL\) and is started again/);
    expect(errors).toMatch(/key k4|"k4"/);
    expectTotals(workplace, 1);
  });

  test("by process.exit is not taken for the end of the run, and is given up after some runs", async () => {
    const workplace = place();
    const codes: (number | null)[] = [];
    let errors = "";
    while (codes.length < 10 && codes.at(-1) !== 0) {
      const run = await workplace.run(["run", "tally.mjs", "--no-http"], { BREAK: "exit" });
      codes.push(run.code);
      errors += run.errors;
    }
    expect(codes.at(-1)).toBe(0);
    expect(codes.length).toBeGreaterThanOrEqual(6);
    expect(new Set(codes.slice(0, -1))).toEqual(new Set([70]));
    expect(errors).toContain("code of the pipeline has ended the process (process.exit)");
    expect(errors).toContain("the process has ended 3 times while this was being done: it goes to dead letters");
    expectTotals(workplace, 1);
  });
});

test("a promise that is rejected and that nothing waits for is told with its computation, and the run goes on", async () => {
  const workplace = place();
  const { code, errors } = await workplace.run(["run", "tally.mjs", "--no-http"], { BREAK: "reject" });
  expect(code).toBe(0);
  expect(errors).toContain(`a promise was rejected and nothing waits for it (of computation "tally")`);
  expect(errors).toContain("no one waits for me");
  expectTotals(workplace, 0);
});
