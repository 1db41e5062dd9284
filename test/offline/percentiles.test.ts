/** Percentile watermarks through a copy: their tracks stay behind, and nothing fires a second time for that. */
import { expect, test } from "vitest";
import { MemoryStore } from "../../src/index.ts";
import { audit } from "../../src/inspect/index.ts";
import { copy } from "../../src/offline/copy.ts";
import { Early } from "../audit/early.ts";
import { surroundings } from "./bank.ts";

test.each([4, 3])("timers that had fired by a percentile do not fire again on a copy of 4 to %i shards, and later ones fire as before", async (shards) => {
  const early = new Early();
  early.feed.push("a", 10).push("b", 20).push("a", 105).push("b", 110).push("a", 120).promise(50);
  const [from, to] = [new MemoryStore({ exclusive: false }), new MemoryStore({ exclusive: false })];
  const fired = ["a early 0", "b early 0"];
  await early.run(from, 4, fired);
  const report = await copy({ ...surroundings, from, to, shards });
  expect(report).toMatchObject({ differences: [], violations: 0 });
  expect((await audit(to, { pipeline: "early" })).violations).toBe(0);
  early.feed.push("a", 210).push("b", 220).push("a", 230).push("b", 240).push("a", 250);
  await early.run(to, shards, [...fired, "a early 100", "b early 100"]);
  expect((await audit(to, { pipeline: "early" })).violations).toBe(0);
});
