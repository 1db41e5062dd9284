/** The conformance suites on the connectors that need nothing but this machine, and on broken ones: the suites must see it. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fromFile, fromIterable, type Injector, injector, type Sink, sink, type StreamRecord, toCallback, toFile } from "../../../src/index.ts";
// #region import-checks
import { injectorChecks, sinkChecks } from "../../../src/testing/index.ts";
// #endregion
import type { ConnectorCheck, InjectorHarness, SinkHarness } from "../../../src/testing/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const path = temporaryDirectory();

function runAll(checks: readonly ConnectorCheck[]): void {
  for (const { name, run } of checks) test(name, run, 60_000);
}

async function fileHarness(): Promise<InjectorHarness<{ n: number }>> {
  const file = path("in.ndjson");
  writeFileSync(file, "");
  let filled = 0;
  return {
    injector: () => fromFile<{ n: number }>(file, { follow: true }),
    fill: async (count) => {
      const from = filled;
      filled += count;
      const lines = Array.from({ length: count }, (_, i) => from + i);
      appendFileSync(file, lines.map((n) => `${JSON.stringify({ n })}\n`).join(""));
      return lines.map(String);
    },
    identify: ({ n }) => String(n),
  };
}

/** A log in memory, read by position; `skip` breaks it. */
async function logHarness(skip = 0): Promise<InjectorHarness<number>> {
  const log: number[] = [];
  let wake = () => {};
  return {
    injector: () =>
      fromIterable<number>(async function* (position: unknown) {
        for (let at = ((position as number | undefined) ?? 0) + (position === undefined ? 0 : skip); ; ) {
          while (at < log.length) yield { value: log[at] as number, position: ++at };
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }),
    fill: async (count) => {
      const from = log.length;
      for (let i = 0; i < count; i++) log.push(from + i);
      wake();
      return log.slice(from).map(String);
    },
    identify: String,
  };
}

const outside = (broken: (sink: Sink<string>) => Sink<string> = (each) => each) =>
  async function setup(): Promise<SinkHarness<string>> {
    const file = path("out.ndjson");
    return {
      sink: () => broken(toFile<string>(file, { fsync: false })),
      value: (i) => `value ${i}`,
      identify: (value) => value,
      read: async () =>
        existsSync(file)
          ? readFileSync(file, "utf8")
              .split("\n")
              .slice(0, -1)
              .map((line) => JSON.parse(line) as string)
          : [],
      guarantee: "exactly once",
    };
  };

async function setup(): Promise<InjectorHarness<number>> {
  return logHarness();
}

async function callbackHarness(): Promise<SinkHarness<string>> {
  const called: string[] = [];
  return {
    sink: () => toCallback<string>(({ value }: StreamRecord<string>) => void called.push(value)),
    value: (i) => `value ${i}`,
    identify: (value) => value,
    read: async () => [...called],
    guarantee: "at least once",
  };
}

describe("fromFile", () => {
  runAll(injectorChecks(fileHarness));
});
describe("fromIterable", () => {
  // #region checks
  for (const { name, run } of injectorChecks(setup)) test(name, run, 60_000);
  // #endregion
});
describe("toFile", () => {
  runAll(sinkChecks(outside()));
});
describe("toCallback", () => {
  runAll(sinkChecks(callbackHarness));
});

/** Names of the checks that a broken connector fails. */
async function failed(checks: readonly ConnectorCheck[]): Promise<string[]> {
  const names: string[] = [];
  for (const { name, run } of checks) await run().catch(() => names.push(name));
  return names;
}

describe("a broken connector is found out", () => {
  test("an injector that goes on one too far", async () => {
    const found = await failed(injectorChecks(() => logHarness(1)).filter(({ name }) => name.startsWith("a reader opened")));
    expect(found.length).toBe(1);
  });

  test("an injector that does not listen to its signal", async () => {
    const deaf: Injector<number> = injector<number>({
      ...fromIterable<number>(() => []),
      open: async () => ({ pull: () => new Promise<never>(() => {}), close: async () => {} }),
    });
    const checks = injectorChecks<number>(async () => ({ injector: () => deaf, fill: async () => [], identify: String }));
    expect(await failed(checks.filter(({ name }) => name.startsWith("a read that waits")))).toHaveLength(1);
  }, 30_000);

  test("a sink that does not cut back what was never committed", async () => {
    const careless = (original: Sink<string>): Sink<string> =>
      sink<string>({ ...original, open: (checkpoint) => original.open(checkpoint === undefined ? undefined : undefined) });
    expect(await failed(sinkChecks(outside(careless)).filter(({ name }) => name.includes("dies")))).toHaveLength(1);
  }, 60_000);
});
