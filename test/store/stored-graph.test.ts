import { expect, test } from "vitest";
import { DecodeError } from "../../src/errors.ts";
import { parseStoredGraph } from "../../src/store/stored-graph.ts";
import { GRAPH } from "./conformance/values.ts";

test("a graph comes back as it was stored", () => {
  const input = { id: 7, name: "words", stream: "words", codec: "cbor" };
  const whole = { id: 9, name: "c", kind: "computation" as const, shards: 4, inputs: [input], outputs: ["x"], cells: [], timers: [] };
  const graph = { ...GRAPH, participants: [...GRAPH.participants, { ...whole, timers: [{ id: 8, name: "closing", clock: "wall" as const }] }] };
  expect(parseStoredGraph(JSON.stringify(graph))).toEqual(graph);
  const retired = [{ participant: 9, round: 3, cells: [4], timers: [] }];
  expect(parseStoredGraph(JSON.stringify({ ...graph, retired }))).toEqual({ ...graph, retired });
});

test("a graph of another format is given to whoever says so to people", () => {
  expect(parseStoredGraph('{"format":9}')).toEqual({ format: 9 });
});

test.each([
  ["text that is cut", JSON.stringify(GRAPH).slice(0, -5)],
  ["nothing", "null"],
  ["a list", "[]"],
  ["a graph without participants", JSON.stringify({ ...GRAPH, participants: undefined })],
  ["a participant without shards", JSON.stringify({ ...GRAPH, participants: [{ ...GRAPH.participants[0], shards: "4" }] })],
  ["a cell that is a number", JSON.stringify({ ...GRAPH, participants: [{ ...GRAPH.participants[0], cells: [3] }] })],
  ["retired ids that are text", JSON.stringify({ ...GRAPH, retired: [{ participant: 2, round: 1, cells: ["4"], timers: [] }] })],
  ["retired ids of nobody", JSON.stringify({ ...GRAPH, retired: [{ round: 1, cells: [4], timers: [] }] })],
])("%s is a DecodeError", (_, text) => {
  expect(() => parseStoredGraph(text)).toThrow(DecodeError);
});
