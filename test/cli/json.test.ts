/** `--json`, on every command that there is, and what it prints. */
import type { Command } from "commander";
import { expect, test, vi } from "vitest";
import { programOf } from "../../src/cli/program.ts";
import { MASTER } from "../http/posting.ts";
import { LIBRARY, Workplace } from "./commands.ts";

vi.setConfig({ testTimeout: 120_000 });

/** Every command that does something, with the words by which it is called. */
function commandsOf(command: Command, words = ""): { readonly words: string; readonly options: readonly (string | undefined)[] }[] {
  if (command.commands.length > 0) return command.commands.flatMap((inner) => commandsOf(inner, `${words} ${inner.name()}`.trim()));
  return [{ words, options: command.options.map(({ long }) => long) }];
}

test("every command of the program, and every command of a command, takes --json", () => {
  const commands = commandsOf(programOf(() => {}));
  expect(commands.map(({ words }) => words)).toEqual(expect.arrayContaining(["run", "explain", "graph", "init", "rewind", "workers", "timers list"]));
  expect(commands.filter(({ options }) => !options.includes("--json"))).toEqual([]);
});

const PIPELINE = `import { Computation, fromIterable, input, output, Pipeline, state, stream, timer, toFile } from "${LIBRARY}";
  const words = stream("words");
  const counts = stream("counts");
  class Counter extends Computation {
    words = input(words, { key: (word) => word });
    counts = output(counts);
    count = state("count", { initial: 0 });
    much = timer("much");
    processRecord(record, context) {
      if (record.value === "bad") throw new Error("a bad word");
      context.state(this.count).update((count) => count + 1);
      context.setTimer(this.much, record.timestamp + 1e12);
      context.produce(this.counts, context.state(this.count).get());
    }
    processTimer() {}
  }
  async function* feed(position = 0) {
    for (const [at, value] of ["a", "b", "a", "bad"].entries()) if (at >= position) yield { value, position: at + 1 };
    if (process.env.ENDS === undefined) await new Promise(() => {});
  }
  export default new Pipeline("told", { shards: 2 }).inject("feed", words, fromIterable((position) => feed(position)))
    .compute("counter", Counter, { attempts: 1, explain: 5 }).sink("out", counts, toFile("counts.ndjson"));`;

test("what --json prints is JSON: of commands that ask a running pipeline, and of a run, line by line", async () => {
  const workplace = new Workplace();
  workplace.write("told.mjs", PIPELINE);
  const running = workplace.start(["run", "told.mjs", "--port", "0"], { MILLRACE_TOKENS: `operate:${MASTER.token}` });
  const [, url = ""] = await running.hasSaid(/; (http:\/\/127\.0\.0\.1:\d+)\/v1/);
  await running.hasSaid("a bad word");
  const asked = async (...words: string[]) => {
    const { code, out, errors } = await workplace.run([...words, "--json"], { MILLRACE_URL: url, MILLRACE_TOKEN: MASTER.token });
    expect([words, code, errors]).toEqual([words, 0, ""]);
    return JSON.parse(out) as Record<string, unknown>;
  };
  await expect.poll(() => workplace.lines("counts.ndjson").length, { timeout: 30_000 }).toBe(3);
  const [explained, keys, key, watermarks, workers, inspected, timers, letters] = await Promise.all([
    asked("explain", "counter", "a"),
    asked("state", "counter"),
    asked("state", "counter", "a"),
    asked("watermarks"),
    asked("workers"),
    asked("inspect"),
    asked("timers"),
    asked("dead-letters"),
  ]);
  expect(explained).toMatchObject({
    computation: "counter",
    key: "a",
    calls: [{ produced: [{ value: { text: "1" } }] }, { produced: [{ value: { text: "2" } }] }],
  });
  expect([keys, key, watermarks, workers, timers, letters].map((answer) => answer["pipeline"])).toEqual(Array.from({ length: 6 }, () => "told"));
  expect(inspected).toMatchObject({ pipeline: expect.anything() });
  const people = await workplace.run(["explain", "counter", "a"], { MILLRACE_URL: url, MILLRACE_TOKEN: MASTER.token });
  expect(people.out).toMatch(
    /counter, key "a": shard \d, as of its commit \d+\n\ncommit \d+, .*: record \S+ of words, .*: "\\"a\\""\n {2}state {5}count: 0 -> 1\n {2}produced {2}counts: 1\n {2}timer {5}much set for /,
  );
  running.process.kill("SIGTERM");
  await running.ended;

  const { code, errors } = await workplace.run(["run", "told.mjs", "--no-http", "--json"], { ENDS: "1" });
  const lines = errors
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, any>);
  expect(code).toBe(0);
  expect(lines[0]).toEqual({ text: "running pipeline told" });
  expect(lines.find(({ ended }) => ended !== undefined)?.["ended"]).toMatchObject({
    how: "finished",
    participants: [{ name: "feed" }, { name: "counter" }, { name: "out" }],
  });
  const mistaken = await workplace.run(["run", "absent.ts", "--json"]);
  expect([mistaken.code, JSON.parse(mistaken.errors)]).toEqual([2, { error: { message: "there is no file absent.ts", exitCode: 2 } }]);
});
