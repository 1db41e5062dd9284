/** Rejected promises that nothing waits for, in a program that runs pipelines beside its own work. */
import { execFile } from "node:child_process";
import { expect, test } from "vitest";
import { ConfigError, MemoryStore, Pipeline, run } from "../../src/index.ts";
import { built } from "../support/built.ts";

interface Ended {
  readonly code: unknown;
  readonly out: readonly string[];
  readonly errors: string;
}

const programme = (): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(process.execPath, [built("test/support/rejecting-process.ts")], (error, out, errors) =>
      resolve({ code: error === null ? 0 : error.code, out: out.trimEnd().split("\n"), errors }),
    );
  });

test("with reportRejections a handler's are told once, to its own pipeline, and the program's own end the process as ever", async () => {
  const { code, out, errors } = await programme();
  const none = '["{participant=\\"forgetting\\",kind=\\"computation\\"} 0"," 0"]';
  expect(out).toEqual([
    `unasked 0 {"status":"ok"} ${none}`,
    // Nobody counts: nothing is claimed.
    'listening itself {"status":"ok","unhandledRejections":null} []',
    'error a promise was rejected and nothing waits for it; what it was to do may not be done: no one waited for bob {"pipeline":"first","computation":"forgetting","key":"bob"} true',
    `first {"status":"degraded","unhandledRejections":1} ${none.replace("} 0", "} 1")}`,
    `second {"status":"ok"} ${none}`,
    "one stopped 1",
    "both stopped 0",
  ]);
  expect([code, errors]).toEqual([1, expect.stringContaining("Error: the program's own")]);
}, 60_000);

test("what is no option is refused", async () => {
  const options = { store: new MemoryStore(), reportRejections: "yes" as never };
  await expect(run(new Pipeline("none"), options)).rejects.toThrow(
    new ConfigError('run of pipeline "none": reportRejections is true or false, but it is "yes"'),
  );
});
