/** That the wrongs of `mutants/` can be planted, and are nowhere else. What finds them is `npm run sim -- --mutants`, those of stores `npm run differential -- --mutants`. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { mutated, readMutants } from "../../sim/mutants.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** What a mutant may change: the engine, and the stores that the simulator runs on. */
const CHANGED = /^src\/(worker|timers|watermark|dedup|effects)\/[a-z-]+\.ts$|^src\/store\/(embedded|memory)-[a-z]+\.ts$|^src\/store\/outcome\.ts$/;
/** What those of a store may change: what is its own and not the memory store's too. */
const STORE_CHANGED: Readonly<Record<string, RegExp>> = { redis: /^src\/store\/redis\/(lua\/)?[a-z-]+\.(lua|ts)$/, lmdb: /^src\/store\/lmdb-[a-z-]+\.ts$/ };
const MOST_LINES = 10;

const mutants = readMutants();
const ofStores = readMutants("", "stores");

test("there are mutants of the reliability list, of the protocol's review, of effects, of places that are taken, and of work that fails", () => {
  const kinds = new Set(mutants.map(({ name }) => name.split("/")[0]));
  expect(kinds).toEqual(new Set(["effects", "failures", "places", "protocol", "reliability", "stranger"]));
});

test("there are mutants of the Redis store and of the LMDB store", () => {
  expect(new Set(ofStores.map(({ name }) => name.split("/")[0]))).toEqual(new Set(Object.keys(STORE_CHANGED)));
});

describe.each([...mutants, ...ofStores].map((mutant) => [mutant.name, mutant] as const))("%s", (_, mutant) => {
  test("says what is wrong and which promise that breaks", () => {
    const [wrong = "", breaks = ""] = mutant.patch.split("\n");
    expect(wrong).toMatch(/^# [A-Z].*\.$/);
    expect(breaks).toMatch(/^# Breaks: .*\.$/);
    expect(mutant.text).toBe(wrong.slice(2));
  });

  test("fits the code, and changes few lines of it and nothing else", () => {
    const sources = mutated(mutant);
    for (const [file, source] of sources) {
      expect(file).toMatch(STORE_CHANGED[mutant.name.split("/")[0] ?? ""] ?? CHANGED);
      expect(source).not.toBe(readFileSync(join(root, file), "utf8"));
    }
    for (const sign of ["+", "-"]) {
      const lines = mutant.patch.split("\n").filter((line) => line.startsWith(sign) && !line.startsWith(sign.repeat(3)));
      expect(lines.length).toBeLessThanOrEqual(MOST_LINES);
    }
  });
});

test("each mutant is in the table of mutants/README.md, and each line of the table is one", () => {
  const lines = readFileSync(join(root, "mutants/README.md"), "utf8").split("\n");
  const named = lines.flatMap((line) => /^\| ((?:effects|failures|places|reliability|protocol|stranger|redis|lmdb)\/[a-z0-9-]+) \|/.exec(line)?.[1] ?? []);
  expect(new Set(named)).toEqual(new Set([...mutants, ...ofStores].map(({ name }) => name)));
  expect(named).toHaveLength(mutants.length + ofStores.length);
});

test("nothing in the source knows of mutants", () => {
  const knowing = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(ts|lua)$/.test(file))
    .filter((file) => /mutant/i.test(file) || /mutant/i.test(readFileSync(join(root, "src", file), "utf8")));
  expect(knowing).toEqual([]);
});
