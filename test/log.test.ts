/** Where log lines go, and what is in them of keys and values. */
import pino from "pino";
import { expect, onTestFinished, test } from "vitest";
import { Computation, type Context, fromIterable, input, MemoryStore, Pipeline, run, type RunOptions, type StreamRecord, stream } from "../src/index.ts";

const patients = stream<{ name: string; illness: string }>("patients");

class Ward extends Computation {
  readonly patients = input(patients, { key: ({ name }) => name });
  override processRecord(record: StreamRecord<{ illness: string }>, context: Context): void {
    context.log.warn("treated", { illness: record.value.illness, ward: 7 });
    throw new Error("no bed");
  }
}

/** One record, which is given up. */
async function logged(log: RunOptions["log"]): Promise<void> {
  const source = fromIterable((position?: number) => [{ value: { name: "Ann Lee", illness: "measles" }, position: 1 }].slice(position ?? 0));
  const running = await run(new Pipeline("hospital", { shards: 1 }).inject("patients", patients, source).compute("ward", Ward, { attempts: 1 }), {
    store: new MemoryStore(),
    log,
  });
  onTestFinished(() => running.stop());
  await running.finished;
}

const toLines = (lines: string[]) => ({ write: (line: string) => void lines.push(line) });

test("a logger of pino gets texts, levels and flat fields", async () => {
  const lines: string[] = [];
  await logged(pino({ level: "debug" }, toLines(lines)));
  const treated = lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ msg }) => msg === "treated");
  expect(treated).toMatchObject([{ level: 40, pipeline: "hospital", computation: "ward", key: "Ann Lee", illness: "measles", ward: 7 }]);
});

// #region redaction
const REDACTED = { redact: ["key", "illness"] };
// #endregion redaction

test("with its redaction no line names a key or a value, besides what the handler throws", async () => {
  const lines: string[] = [];
  await logged(pino({ level: "debug", ...REDACTED }, toLines(lines)));
  expect(lines.length).toBeGreaterThanOrEqual(2);
  expect(lines.join("")).toContain("no bed");
  expect(lines.join("")).not.toMatch(/Ann|Lee|measles/);
});

test("a function gets the same, and what is neither is refused", async () => {
  const lines: unknown[] = [];
  await logged((level, text, fields) => void lines.push([level, text, fields]));
  expect(lines).toContainEqual(["warn", "treated", { pipeline: "hospital", computation: "ward", key: "Ann Lee", illness: "measles", ward: 7 }]);
  await expect(logged({ info: () => {} } as never)).rejects.toThrow("log is a function of (level, text, fields), or a logger with debug, info, warn, error");
});
