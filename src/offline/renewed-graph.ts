/**
 * Participants that begin anew: under new ids, by which the store drops all that was kept under the old ones, in one step
 * with the change of the graph. Pure.
 */
import { ConfigError } from "../errors.ts";
import type { StoredGraph, StoredParticipant } from "../store/stored-graph.ts";

/** The next version of the graph, in which those of these names are new. */
export function renewed(graph: StoredGraph, names: ReadonlySet<string>): StoredGraph {
  let { nextId } = graph;
  const participants = graph.participants.map((each) => (names.has(each.name) ? { ...each, id: nextId++ } : each));
  const retired = graph.retired?.filter(({ participant }) => participants.some(({ id }) => id === participant)) ?? [];
  const { retired: _, ...rest } = graph;
  return { ...rest, version: graph.version + 1, nextId, participants, ...(retired.length === 0 ? {} : { retired }) };
}

/** The participant of that name and kind. Throws a `ConfigError` that says which there are. */
export function named(graph: StoredGraph, name: string, kinds: readonly StoredParticipant["kind"][]): StoredParticipant {
  const found = graph.participants.find((each) => each.name === name);
  const wanted = kinds.join(" or ");
  if (found !== undefined && kinds.includes(found.kind)) return found;
  const there = graph.participants.filter(({ kind }) => kinds.includes(kind)).map((each) => each.name);
  const hint =
    found?.kind === "injector" ? ": millrace rewind puts an injector back" : `; there ${there.length === 1 ? "is" : "are"} ${there.join(", ") || "none"}`;
  throw new ConfigError(
    found === undefined
      ? `pipeline "${graph.pipeline}" has no ${wanted} "${name}"${hint}`
      : `"${name}" of pipeline "${graph.pipeline}" is no ${wanted} but ${found.kind === "injector" ? "an" : "a"} ${found.kind}${hint}`,
  );
}

/** Those that what one produces reaches, directly or through others, in the order of the graph. */
export function downstreamOf(graph: StoredGraph, name: string): StoredParticipant[] {
  const reached = new Set([name]);
  for (const participant of graph.participants) {
    const read = new Set(participant.inputs.map(({ stream }) => stream));
    if (graph.participants.some((each) => reached.has(each.name) && each.outputs.some((stream) => read.has(stream)))) reached.add(participant.name);
  }
  return graph.participants.filter((each) => each.name !== name && reached.has(each.name));
}
