import { afterEach, expect, test, vi } from "vitest";
import { ConfigError, InvalidUseError, SinkUnavailableError } from "../../src/errors.ts";
import { toConsole } from "../../src/sinks/to-console.ts";
import { recordOf, recordsOf } from "../support/records.ts";

let printed = "";
let refuse: Error | undefined;

/** Stands in for the terminal: the runner has the real one. */
function watchOutput(): void {
  printed = "";
  refuse = undefined;
  vi.spyOn(process.stdout, "write").mockImplementation(((text: string, done: (error?: Error | null) => void) => {
    printed += text;
    queueMicrotask(() => done(refuse));
    return true;
  }) as typeof process.stdout.write);
}
afterEach(() => vi.restoreAllMocks());

test("each record is a line of JSON, or what line makes of it", async () => {
  watchOutput();
  const plain = await toConsole().open(undefined);
  expect(await plain.write(recordsOf([{ a: 1 }, new Set([2])]))).toBeUndefined();
  const made = await toConsole<number>({ line: (value, record) => `${record.id}=${value}` }).open(undefined);
  await made.write([recordOf(5, "x")]);
  await made.write([]);
  expect(printed).toBe('{"a":1}\n[2]\nx=5\n');
});

test("a line that throws, or is no string, prints nothing of the call", async () => {
  watchOutput();
  const writer = await toConsole<unknown>({ line: (value) => value as string }).open(undefined);
  await expect(writer.write(recordsOf(["a", 5]))).rejects.toThrow(InvalidUseError);
  expect(printed).toBe("");
});

test("an output that is closed is no record's fault", async () => {
  watchOutput();
  refuse = new Error("EPIPE");
  const writer = await toConsole().open(undefined);
  await expect(writer.write(recordsOf([1]))).rejects.toThrow(new SinkUnavailableError("the standard output could not be written to: EPIPE"));
  await writer.close();
});

test("line has to be a function", () => {
  expect(() => toConsole({ line: 5 as never })).toThrow(ConfigError);
  expect(() => toConsole({ lines: String } as object)).toThrow(new ConfigError('toConsole: there is no option "lines"; there are line'));
  expect(toConsole()).toMatchObject({ kind: "sink", description: "console", attempts: 5 });
});
