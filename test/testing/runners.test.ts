/** `PipelineTester` under another runner than ours: a small project on the built library, as `node --test` runs it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { built } from "../support/built.ts";

vi.setConfig({ testTimeout: 120_000 });

const urlOf = (source: string): string => JSON.stringify(pathToFileURL(built(source)).href);

const PROJECT = `
import assert from "node:assert/strict";
import { test } from "node:test";
import { Computation, fromIterable, input, output, Pipeline, state, stream, timer } from ${urlOf("src/index.ts")};
import { PipelineTester } from ${urlOf("src/testing/index.ts")};

const words = stream("words");
const totals = stream("totals");
class WordCount extends Computation {
  words = input(words, { key: (word) => word });
  totals = output(totals);
  count = state("count", { initial: 0 });
  end = timer("end");
  processRecord(record, context) {
    context.state(this.count).update((count) => count + 1);
    context.setTimer(this.end, 1_000);
  }
  processTimer(timer, context) {
    context.produce(this.totals, context.key + " " + context.state(this.count).get());
  }
}
const pipeline = new Pipeline("words").inject("words", words, fromIterable(() => [])).compute("count", WordCount);

test("counts over a crash", async () => {
  const t = await PipelineTester.start(pipeline);
  await t.push(words, "tea", { at: 1 });
  await t.crash({ at: "after-commit" });
  await t.push(words, "tea", { at: 2 });
  assert.equal(t.state(WordCount, "tea").count, 2);
  await t.finish();
  assert.deepEqual(t.values(totals), ["tea 2"]);
});

test("is red where it is wrong", async () => {
  const t = await PipelineTester.start(pipeline);
  await t.push(words, "tea", { at: 1 });
  assert.equal(t.state(WordCount, "tea").count, 7);
});
`;

test("under node:test a right test passes, a wrong one fails, and the process ends by itself", async () => {
  const directory = mkdtempSync(join(tmpdir(), "millrace-runner-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, "words.test.mjs"), PROJECT);
  // Of our own runner's it shall know nothing.
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...environment } = process.env;
  const child = spawn(process.execPath, ["--test", "--test-reporter=tap"], { cwd: directory, env: environment, stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let out = "";
  child.stdout.on("data", (text: Buffer) => (out += text.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  expect(out).toMatch(/^ *ok \d+ - counts over a crash$/m);
  expect(out).toMatch(/^ *not ok \d+ - is red where it is wrong$/m);
  expect(out).toMatch(/^# pass 1$[\s\S]*^# fail 1$/m);
  expect(code).toBe(1);
});
