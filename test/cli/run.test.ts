import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { startRedis } from "../support/redis-server.ts";
import { built } from "../support/built.ts";
import { LIBRARY, Workplace } from "./commands.ts";

/** Each command is a process that loads the sources anew, and the machine may be busy. */
vi.setConfig({ testTimeout: 120_000 });

const WORD_COUNT = built("examples/01-word-count.ts");
const WORDS = ["a", "b", "c", "d", "e"];

/** `words.ndjson`: each word this many times. */
function withWords(times: number): Workplace {
  const workplace = new Workplace();
  workplace.write("words.ndjson", `${Array.from({ length: times }, () => WORDS.map((word) => JSON.stringify(word)).join("\n")).join("\n")}\n`);
  return workplace;
}

/** Every total of every word, each once: nothing is lost, nothing is done twice. */
function expectAllTotals(workplace: Workplace, times: number): void {
  const totals = workplace.lines("totals.ndjson").map((line) => JSON.parse(line) as { readonly word: string; readonly count: number });
  expect(totals).toHaveLength(WORDS.length * times);
  for (const word of WORDS)
    expect(totals.filter((total) => total.word === word).map(({ count }) => count)).toEqual(Array.from({ length: times }, (_, at) => at + 1));
}

test("a pipeline whose inputs end is run to its end, on the embedded store, and summed up", async () => {
  const workplace = withWords(20);
  const { code, out, errors } = await workplace.run(["run", WORD_COUNT, "--port", "0"]);
  expect([code, out]).toEqual([0, ""]);
  expectAllTotals(workplace, 20);
  expect(errors).toMatch(/^running pipeline word-count; http:\/\/127\.0\.0\.1:\d+\/v1\/watermarks/);
  expect(errors).toMatch(/^finished after .+\n +records .*\nwords +100 +100\nword-count +100 +100\ntotals +100$/m);
  expect(existsSync(join(workplace.directory, ".millrace/word-count"))).toBe(true);
});

test("SIGTERM drains and stops a run, the next one goes on where it was, and one after the end says that nothing was left", async () => {
  const times = 6_000;
  const workplace = withWords(times);
  const first = workplace.start(["run", WORD_COUNT, "--no-http", "--store", "lmdb:data"]);
  await first.hasSaid("running pipeline");
  const totals = join(workplace.directory, "totals.ndjson");
  await expect.poll(() => (existsSync(totals) ? statSync(totals).size : 0), { interval: 5, timeout: 20_000 }).toBeGreaterThan(0);
  first.process.kill("SIGTERM");
  const stopped = await first.ended;
  expect(stopped.code).toBe(0);
  expect(stopped.errors).toContain("SIGTERM: what was begun is being committed");
  expect(stopped.errors).toMatch(/^stopped after /m);
  expect(workplace.lines("totals.ndjson").length).toBeLessThan(WORDS.length * times);
  const { code } = await workplace.run(["run", WORD_COUNT, "--no-http", "--store", "lmdb:data"]);
  expect(code).toBe(0);
  expectAllTotals(workplace, times);
  const { errors } = await workplace.run(["run", WORD_COUNT, "--no-http", "--store", "lmdb:data"]);
  expect(errors).toContain("every input had ended in an earlier run, so nothing was read");
  expectAllTotals(workplace, times);
});

test("a second signal ends the process at once", async () => {
  const workplace = new Workplace();
  workplace.write(
    "stuck.mjs",
    `import { fromIterable, Pipeline, sink, stream } from "${LIBRARY}";
    const numbers = stream("numbers");
    const stuck = sink({ kind: "sink", description: "stuck", attempts: 1, open: async () => ({ write: () => { console.log("writing"); return new Promise(() => {}); }, close: async () => {} }) });
    export default new Pipeline("stuck").inject("one", numbers, fromIterable(() => [{ value: 1, position: 1 }])).sink("stuck", numbers, stuck);`,
  );
  const command = workplace.start(["run", "stuck.mjs", "--no-http", "--store", "memory:"]);
  await expect.poll(() => command.out, { interval: 5, timeout: 20_000 }).toBe("writing\n");
  command.process.kill("SIGINT");
  await command.hasSaid("SIGINT: what was begun");
  command.process.kill("SIGTERM");
  expect((await command.ended).code).toBe(143);
});

test("a store in memory is warned about", async () => {
  const workplace = withWords(1);
  const { code, errors } = await workplace.run(["run", WORD_COUNT, "--no-http"], { MILLRACE_STORE: "memory:" });
  expect(code).toBe(0);
  expect(errors).toContain("warning: --store memory: keeps nothing");
  expect(existsSync(join(workplace.directory, ".millrace"))).toBe(false);
});

test("a pipeline runs on Redis", async () => {
  const server = await startRedis();
  onTestFinished(async () => server.stop());
  const workplace = withWords(20);
  const { code, errors } = await workplace.run(["run", WORD_COUNT, "--no-http", "--store", `redis:${server.socket}`]);
  expect([code, errors.includes("finished after")]).toEqual([0, true]);
  expectAllTotals(workplace, 20);
});

test("a pipeline that fails ends with 1 and its reason", async () => {
  const workplace = new Workplace();
  workplace.write(
    "failing.mjs",
    `import { Computation, fromIterable, input, Pipeline, stream } from "${LIBRARY}";
    const numbers = stream("numbers");
    class Failing extends Computation {
      numbers = input(numbers, { key: String });
      processRecord() { throw new Error("cannot count"); }
    }
    export default new Pipeline("failing").inject("one", numbers, fromIterable(() => [{ value: 1, position: 1 }])).compute("failing", Failing, { attempts: 1, onFailure: "stop" });`,
  );
  const { code, errors } = await workplace.run(["run", "failing.mjs", "--no-http", "--store", "memory:"]);
  expect(code).toBe(1);
  expect(errors).toContain('error: failing: key "1" failed 1 times: cannot count\n');
  expect(errors.split("cannot count")).toHaveLength(2);
  expect(errors).toMatch(/^failed after /m);
});

test("a mistake ends with 2, one sentence and no stack", async () => {
  const workplace = new Workplace();
  workplace.write("broken.mjs", `import { Pipeline } from "${LIBRARY}";\nexport default new Pipeline("broken").sink("nowhere", undefined, undefined);`);
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  workplace.write("words.ndjson", "");
  const mistakes: readonly (readonly [args: readonly string[], text: string])[] = [
    [["run", "missing.ts"], "error: there is no file missing.ts\n"],
    [["run", "broken.mjs"], 'sink "nowhere"'],
    [["run", WORD_COUNT, "--store", "memory:", "--port", String(port)], `error: http: port ${port} of 127.0.0.1 is in use: give another port`],
    [["run", WORD_COUNT, "--store", "memory:", "--host", "0.0.0.0"], "0.0.0.0 can be reached from other machines, so whoever asks needs a token"],
    [["run", WORD_COUNT, "--store", "memory:", "--tokens", "none.txt"], "error: --tokens none.txt cannot be read"],
    [["init", "."], "error: . is not empty: give a directory that is new\n"],
    [["run", WORD_COUNT, "--port", "seven"], "It is a number from 0 to 65535."],
    [["run", WORD_COUNT, "--requests-per-second", "0"], "It is a number from 1 to 1000000, or none."],
    [["run", WORD_COUNT, "--requests-per-second", "1000001"], "It is a number from 1 to 1000000, or none."],
    [["run", WORD_COUNT, "--stroe", "memory:"], "Did you mean --store?"],
    [["walk"], "unknown command 'walk'"],
  ];
  const ended = await Promise.all(mistakes.map(async ([args]) => workplace.run(args)));
  for (const [at, [args, text]] of mistakes.entries()) {
    const { code, errors = "" } = ended[at] ?? {};
    expect([args, code, errors]).toEqual([args, 2, expect.stringContaining(text)]);
    expect(errors).not.toMatch(/^ {4}at /m);
  }
});

test("a store that does not answer ends with 1, and its password is not shown", async () => {
  const workplace = withWords(1);
  const { code, out, errors } = await workplace.run(["run", WORD_COUNT, "--no-http", "--store", "redis://user:secret@127.0.0.1:1/0"]);
  expect(code).toBe(1);
  expect(errors).toMatch(/^error: redis:\/\/127\.0\.0\.1:1\/0: .*ECONNREFUSED.*; start Redis there, or name another store$/m);
  expect(out + errors).not.toContain("secret");
});

test("data that the code no longer names is dropped where the command says so", async () => {
  const workplace = withWords(1);
  const fileOf = (cell: string) => `import { Computation, fromFile, input, Pipeline, state, stream } from "${LIBRARY}";
    const words = stream("words");
    class Counter extends Computation {
      words = input(words, { key: (word) => word });
      count = state("${cell}", { initial: 0 });
      processRecord(_record, context) { context.state(this.count).update((count) => count + 1); }
    }
    export default new Pipeline("dropping").inject("words", words, fromFile("words.ndjson")).compute("counter", Counter);`;
  workplace.write("before.mjs", fileOf("count"));
  workplace.write("after.mjs", fileOf("total"));
  expect((await workplace.run(["run", "before.mjs", "--no-http"])).code).toBe(0);
  const refused = await workplace.run(["run", "after.mjs", "--no-http"]);
  expect([refused.code, refused.errors]).toEqual([2, expect.stringContaining('state "count" of computation "counter"')]);
  expect((await workplace.run(["run", "after.mjs", "--no-http", "--drop", "counter/count"])).code).toBe(0);
});
