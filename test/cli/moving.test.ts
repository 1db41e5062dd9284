/** `millrace copy`, `export` and `import` as people start them: what they print, how they end, and that kill -9 costs nothing. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { startRedis } from "../support/redis-server.ts";
import { LIBRARY, Workplace } from "./commands.ts";

/** Each command is a process that loads the sources anew, and the machine may be busy. */
vi.setConfig({ testTimeout: 240_000 });

/** Counts letters; without end it waits after them, so that it can be stopped in the middle. */
const counting = (
  shards: number,
  items: number,
  ends: boolean,
) => `import { Computation, fromIterable, input, output, Pipeline, state, stream, timer, toFile } from "${LIBRARY}";
  const letters = stream("letters");
  const counts = stream("counts");
  let counted = 0;
  class Counter extends Computation {
    letters = input(letters, { key: (letter) => letter });
    counts = output(counts);
    count = state("count", { initial: 0 });
    end = timer("end");
    processRecord(record, context) {
      if (++counted === ${items}) process.stderr.write("counted all\\n");
      context.state(this.count).update((count) => count + 1);
      context.setTimer(this.end, 10_000_000);
    }
    processTimer(timer, context) { context.produce(this.counts, context.key + " " + context.state(this.count).get()); }
  }
  async function* after(position) {
    for (let n = (position ?? -1) + 1; n < ${items}; n++) yield { value: "letter " + (n % 1_000), position: n, timestamp: n };
    ${ends ? "" : "await new Promise(() => {});"}
  }
  export default new Pipeline("letters", { shards: ${shards} })
    .inject("text", letters, fromIterable(after))
    .compute("counter", Counter)
    .sink("counts", counts, toFile("counts.ndjson"));`;

/** Runs until half of it is counted, and stops it as people do. */
async function stopped(workplace: Workplace, store: string): Promise<void> {
  workplace.write("half.mjs", counting(16, 5_000, false));
  const command = workplace.start(["run", "half.mjs", "--store", store, "--no-http"]);
  await command.hasSaid("counted all");
  command.process.kill("SIGTERM");
  expect((await command.ended).code).toBe(0);
}

/** Goes on to the end on another store with another number of shards. */
async function finished(workplace: Workplace, store: string, shards: number): Promise<void> {
  workplace.write("whole.mjs", counting(shards, 10_000, true));
  expect(await workplace.run(["run", "whole.mjs", "--store", store, "--no-http"])).toMatchObject({ code: 0 });
  expect(workplace.lines("counts.ndjson").sort()).toEqual(Array.from({ length: 1_000 }, (_, n) => JSON.stringify(`letter ${n} 10`)).sort());
}

test("a copy that is killed again and again goes on until it is whole, and the pipeline with it", async () => {
  const workplace = new Workplace();
  const server = await startRedis();
  try {
    await stopped(workplace, "lmdb:here");
    const to = `redis:${server.socket}`;
    const copying = ["copy", "lmdb:here", to, "--shards", "64"];
    for (const [text, delay] of [
      ["audits", 30],
      ["injector text is written", 5],
      ["computation counter is written", 0],
      ["compares", 20],
    ] as const) {
      const command = workplace.start(copying);
      await command.hasSaid(text);
      await new Promise((resolve) => setTimeout(resolve, delay));
      command.process.kill("SIGKILL");
      await command.ended;
    }
    workplace.write("early.mjs", counting(64, 10_000, true));
    const early = await workplace.run(["run", "early.mjs", "--store", to, "--no-http"]);
    expect(early).toMatchObject({
      code: 2,
      errors: expect.stringMatching(/^error: the data of pipeline "letters" is not complete: millrace copy from lmdb:here.* give that command again/) as string,
    });
    const whole = await workplace.run(copying);
    expect(whole).toMatchObject({ code: 0 });
    expect(whole.out).toMatch(/^pipeline letters from lmdb:here\/letters to redis:.*, gone on with what was there\n/);
    expect(whole.out).toMatch(/\ncounter +16 to 64 +1,000 +1,000\n/);
    expect(whole.out).toMatch(/\nletters is whole in redis:.*\{ shards: 64 \} in its code\n$/);
    const twice = await workplace.run(copying);
    expect(twice).toMatchObject({
      code: 2,
      out: "",
      errors: expect.stringMatching(/error: redis:.* has pipeline "letters" already: give another store/) as string,
    });
    await finished(workplace, to, 64);
  } finally {
    await server.stop();
  }
});

test("a pipeline goes through a file; a file that is not whole is refused, and so is one that is there", async () => {
  const workplace = new Workplace();
  await stopped(workplace, "lmdb:here");
  const exported = await workplace.run(["export", "letters.ndjson", "--store", "lmdb:here", "--json"]);
  expect(exported).toMatchObject({ code: 0 });
  expect(JSON.parse(exported.out)).toMatchObject({ pipeline: "letters", shards: 16, entries: { state: 1_000, watermark: 1_000 } });
  expect(existsSync(join(workplace.directory, "letters.ndjson.partial"))).toBe(false);
  const text = readFileSync(join(workplace.directory, "letters.ndjson"), "utf8");
  writeFileSync(join(workplace.directory, "cut.ndjson"), text.slice(0, text.length >> 1));
  writeFileSync(join(workplace.directory, "changed.ndjson"), text.replace('"monotonic":1', '"monotonic":2'));
  const [again, cut, changed, none, imported] = await Promise.all([
    workplace.run(["export", "letters.ndjson", "--store", "lmdb:here"]),
    workplace.run(["import", "cut.ndjson", "--store", "lmdb:cut"]),
    workplace.run(["import", "changed.ndjson", "--store", "lmdb:changed"]),
    workplace.run(["import", "nothing.ndjson", "--store", "lmdb:nothing"]),
    workplace.run(["import", "letters.ndjson", "--store", "lmdb:there", "--shards", "5", "--json"]),
  ]);
  const refused = (sentence: RegExp) => ({ code: 2, out: "", errors: expect.stringMatching(sentence) as string });
  expect(again).toMatchObject(refused(/error: letters.ndjson is there already/));
  expect(cut).toMatchObject(refused(/error: cut.ndjson ends in the middle of a line: it is not whole/));
  expect(changed).toMatchObject(refused(/error: changed.ndjson is not whole, or was changed/));
  expect(none).toMatchObject(refused(/error: nothing.ndjson cannot be read/));
  expect(imported).toMatchObject({ code: 0 });
  expect(JSON.parse(imported.out)).toMatchObject({
    pipeline: "letters",
    shards: 5,
    differing: 0,
    violations: 0,
    participants: [{}, { name: "counter", shards: [16, 5], counts: { state: [1_000, 1_000] } }, {}],
  });
  await finished(workplace, "lmdb:there", 5);
});

test("a pipeline that runs is not copied, and the sentence says who runs it", async () => {
  const workplace = new Workplace();
  const server = await startRedis();
  try {
    workplace.write("half.mjs", counting(4, 100, false));
    const from = `redis:${server.socket}`;
    const running = workplace.start(["run", "half.mjs", "--store", from, "--port", "0"]);
    const [, url = ""] = await running.hasSaid(/(http:\/\/127\.0\.0\.1:\d+)/);
    await expect.poll(async () => (await fetch(`${url}/readyz`)).status, { timeout: 60_000 }).toBe(200);
    expect(await workplace.run(["copy", from, "lmdb:there"])).toMatchObject({
      code: 2,
      out: "",
      errors: expect.stringMatching(
        /error: worker \S+ is alive and holds \d+ shards of pipeline "letters" in redis:.*: stop all its workers first\n$/,
      ) as string,
    });
    running.process.kill("SIGTERM");
    await running.ended;
    expect(await workplace.run(["copy", from, "lmdb:there"])).toMatchObject({ code: 0 });
    expect(await workplace.run(["copy", from, "memory:"])).toMatchObject({ code: 2, errors: expect.stringMatching(/memory: forgets/) as string });
    expect(await workplace.run(["copy", "lmdb:nowhere", "lmdb:else"])).toMatchObject({
      code: 2,
      errors: expect.stringMatching(/no pipeline's data/) as string,
    });
  } finally {
    await server.stop();
  }
});
