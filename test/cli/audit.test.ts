/** `millrace audit` as people start it: what it prints and how it ends. */
import { join } from "node:path";
import { open as openLmdb } from "lmdb";
import { expect, test, vi } from "vitest";
import type { AuditReport } from "../../src/inspect/index.ts";
import { rangeOf, STATE } from "../../src/store/lmdb-keys.ts";
import { shardRef } from "../../src/key.ts";
import { LIBRARY, Workplace } from "./commands.ts";

/** Each command is a process that loads the sources anew, and the machine may be busy. */
vi.setConfig({ testTimeout: 120_000 });

/** Counts three letters in one shard. */
const counting = (name: string) => `import { Computation, fromIterable, input, Pipeline, state, stream } from "${LIBRARY}";
  const letters = stream("letters");
  class Counter extends Computation {
    letters = input(letters, { key: (letter) => letter });
    count = state("count", { initial: 0 });
    processRecord(record, context) { context.state(this.count).update((count) => count + 1); }
  }
  const items = ["a", "b", "a"].map((value, position) => ({ value, position, timestamp: position }));
  export default new Pipeline("${name}", { shards: 1 })
    .inject("text", letters, fromIterable((position) => items.slice((position ?? -1) + 1)))
    .compute("counter", Counter);`;

test("a sound store ends with 0, a damaged one with 1 and what to do, one that cannot be read with 2", async () => {
  const workplace = new Workplace();
  for (const name of ["first", "second"]) workplace.write(`${name}.mjs`, counting(name));
  for (const name of ["first", "second"]) expect(await workplace.run(["run", `${name}.mjs`, "--no-http"])).toMatchObject({ code: 0 });

  const sound = await workplace.run(["audit"]);
  expect(sound).toMatchObject({ code: 0, errors: "" });
  expect(sound.out).toMatch(
    /^pipeline first in lmdb:.*first: 2 shards, 0 of them owned\n2 values of state, 0 timers, 0 records waiting, 0 held, 0 dead letters\n/,
  );
  expect(sound.out).toMatch(/\nfirst is sound: \d+ checks of \d+ invariants in .*, no violation\n/);
  expect(sound.out).toMatch(/\nsecond is sound: .*\n$/);

  const db = openLmdb<Buffer, Buffer>({ path: join(workplace.directory, ".millrace", "second"), encoding: "binary", keyEncoding: "binary", noSubdir: false });
  const damaged = [...Array(20).keys()].flatMap((participant) => [...db.getKeys(rangeOf(shardRef(participant, 0), STATE))]);
  await db.put(damaged[0] as Buffer, Buffer.from("?"));
  await db.close();

  const [broken, first, json, nobody, nowhere, memory] = await Promise.all(
    [["--pipeline", "second"], ["--pipeline", "first"], ["--json"], ["--pipeline", "third"], ["--store", "lmdb:nowhere"], ["--store", "memory:"]].map(
      async (args) => workplace.run(["audit", ...args]),
    ),
  );
  expect(broken?.code).toBe(1);
  expect(broken?.out).toMatch(/\nVIOLATED state-value: .*\n {2}counter shard 0, key "[ab]": state "count" .*\n {2}It means: .*\n {2}What to do: .*\n/);
  expect(broken?.out).toMatch(/\nsecond is not sound: 1 violation of 1 of \d+ invariants \(.*\)\n$/);
  expect(first).toMatchObject({ code: 0 });
  expect(json?.code).toBe(1);
  const report = JSON.parse(json?.out ?? "") as { violations: number; pipelines: AuditReport[] };
  expect([report.violations, report.pipelines.map(({ pipeline, violations }) => [pipeline, violations])]).toEqual([
    1,
    [
      ["first", 0],
      ["second", 1],
    ],
  ]);
  expect(nobody).toMatchObject({
    code: 2,
    out: "",
    errors: expect.stringMatching(/^error: not checked: .millrace has no data of a pipeline "third"; give/) as string,
  });
  expect(nowhere).toMatchObject({ code: 2, errors: expect.stringMatching(/^error: not checked: the store has no pipeline's data/) as string });
  expect(memory).toMatchObject({ code: 2, errors: expect.stringMatching(/memory of the process/) as string });
});
