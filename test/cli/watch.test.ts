/** New code on the same state: `millrace run --watch`, as a process, while records keep coming. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { Command, LIBRARY, Workplace } from "./commands.ts";

vi.setConfig({ testTimeout: 120_000 });
const POLL = { interval: 10, timeout: 60_000 };

const pipeline = (cell: string) => `
import { Computation, fromFile, input, output, Pipeline, state, stream, toFile } from "${LIBRARY}";
import { version } from "./version.ts";
const ticks = stream("ticks");
const counts = stream("counts");
class Counter extends Computation {
  ticks = input(ticks, { key: () => "all" });
  counts = output(counts);
  ${cell} = state("${cell}", { initial: 0 });
  processRecord(record, context) {
    if (version === "deadly") process.exit(3);
    context.state(this.${cell}).update((count) => count + 1);
    context.produce(this.counts, { count: context.state(this.${cell}).get(), version });
  }
}
export default new Pipeline("watched").inject("ticks", ticks, fromFile("ticks.ndjson", { follow: true })).compute("counter", Counter)
  .sink("counts", counts, toFile("counts.ndjson"));
`;

class Watching {
  readonly workplace = new Workplace();
  readonly command: Command;
  #appended = 0;
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.workplace.write("pipeline.ts", pipeline("total"));
    this.workplace.write("version.ts", "export const version = 1;");
    this.workplace.write("ticks.ndjson", "");
    this.command = this.workplace.start(["run", "pipeline.ts", "--watch", "--port", "0"]);
    this.#timer = setInterval(() => appendFileSync(join(this.workplace.directory, "ticks.ndjson"), `${(this.#appended += 1)}\n`), 5);
    onTestFinished(() => clearInterval(this.#timer));
  }

  get counts(): readonly { readonly count: number; readonly version: number }[] {
    return this.workplace.lines("counts.ndjson").map((line) => JSON.parse(line) as { count: number; version: number });
  }

  async reaches(version: number): Promise<void> {
    await expect.poll(() => this.counts.at(-1)?.version, POLL).toBe(version);
  }

  /** What runs works on. */
  async goesOn(): Promise<void> {
    const before = this.counts.length;
    await expect.poll(() => this.counts.length, POLL).toBeGreaterThan(before + 5);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await expect.poll(() => this.counts.length, POLL).toBe(this.#appended);
    this.command.process.kill("SIGTERM");
    expect((await this.command.ended).code).toBe(0);
    // Each tick was counted once, whichever code did it.
    expect(this.counts.map(({ count }) => count)).toEqual(Array.from({ length: this.#appended }, (_, at) => at + 1));
  }
}

test("new code takes over the state whole; what does not load, or does not fit the state, is shown and the old code goes on", async () => {
  const watching = new Watching();
  const { workplace, command } = watching;
  await watching.reaches(1);
  await command.hasSaid("watching 2 files");
  workplace.write("version.ts", "export const version = 2;");
  await watching.reaches(2);
  const [said] = await command.hasSaid(/changed: version\.ts: the new code runs, (\d+) ms after/);
  console.log(said);

  workplace.write("version.ts", "export const version = ;");
  await command.hasSaid(/could not be loaded[^]*version\.ts[^]*the code before goes on/);
  await watching.goesOn();
  expect(watching.counts.at(-1)?.version).toBe(2);

  workplace.write("version.ts", "export const version = 3;");
  await watching.reaches(3);
  workplace.write("pipeline.ts", pipeline("sum"));
  // The field is named, and the code that fits goes on.
  await command.hasSaid(/changed: pipeline\.ts\nerror: [^]*"total" of [^]*the code before goes on/);
  await watching.goesOn();
  expect(watching.counts.at(-1)?.version).toBe(3);

  workplace.write("pipeline.ts", pipeline("total"));
  workplace.write("version.ts", "export const version = 4;");
  await watching.reaches(4);
  await watching.end();
});

test("a process of the pipeline that dies is told of, and the next change runs", async () => {
  const watching = new Watching();
  await watching.reaches(1);
  watching.workplace.write("version.ts", 'export const version = "deadly";');
  await watching.command.hasSaid(/the process of the (pipeline|new code) has ended \(exit code 3\)/);
  watching.workplace.write("version.ts", "export const version = 3;");
  await watching.reaches(3);
  await watching.end();
});

test.each([
  [["run", "absent.ts", "--watch"], "there is no file absent.ts"],
  [["run", "pipeline.ts", "--watch", "--store", "memory:"], "give a store that keeps it"],
  [["run", "pipeline.ts", "--watch", "--workers", "2"], "leave --workers out"],
])("%j is refused", async (args, message) => {
  const workplace = new Workplace();
  workplace.write("pipeline.ts", pipeline("total"));
  const { code, errors } = await workplace.run(args);
  expect([code, errors]).toEqual([2, expect.stringContaining(message)]);
});
