/**
 * The rules of the watermark authority, and of watermarks beside what is pending. Pure.
 *
 * Which records and timers were late when they came to be is not stored, so that of these nothing can be said; what can
 * be is said of held records, which are stored with what they hold, and of what injectors have committed to. The
 * simulator sees every commit, and checks the rest (docs/simulation.md).
 */
import type { Authority } from "../watermark/authority.ts";
import { BEGINNING, END } from "../time.ts";
import type { Findings } from "./findings.ts";
import type { NamedParticipant, StoredNames } from "./stored-names.ts";

export type Authorities = ReadonlyMap<number, Authority>;

export function checkAuthorities(names: StoredNames, authorities: Authorities, findings: Findings): void {
  for (const participant of names.participants.values()) {
    const authority = authorities.get(participant.id);
    if (authority === undefined) findings.violated("authority", { participant: participant.name }, "the authority has nothing of it that can be read");
    else checkAuthority(participant, authority, findings);
  }
}

/** Of one watermark of a participant. */
export function checkAuthority(
  { name, shards }: Pick<NamedParticipant, "name" | "shards">,
  { generation, owners, cells, published }: Authority,
  findings: Findings,
): void {
  const where = { participant: name };
  const expect = (holds: boolean, found: () => string) => findings.expect("authority", holds, where, found);
  expect(owners.length === shards, () => `it has owners of ${owners.length} shards; there are ${shards}`);
  const workers = new Set(owners);
  for (const worker of workers) {
    const own = cells.filter((cell) => cell.worker === worker).length;
    expect(own === 1, () => `${own} cells are of ${worker ?? "no worker"}, who has shards`);
  }
  for (const { worker, generation: given, shards: count, output, last } of cells) {
    const who = worker ?? "no worker";
    expect(workers.has(worker), () => `a cell is of ${who}, who has no shards`);
    expect(given >= 0 && given <= generation, () => `the cell of ${who} has generation ${given}; the last one given is ${generation}`);
    const owned = owners.filter((owner) => owner === worker).length;
    expect(count === owned, () => `the cell of ${who} has ${count} shards, the worker ${owned}`);
    expect(isWatermark(output) && isWatermark(last), () => `the cell of ${who} has the watermark ${output} and the last event time ${last}`);
  }
  const least = Math.min(END, ...cells.map((cell) => (cell.status === "finished" ? END : cell.output)));
  expect(published.output <= least, () => `${published.output} is published; its cells allow ${least}`);
  expect(published.output >= least, () => `${published.output} is published; its cells have come to ${least}`);
  expect(
    published.last >= Math.max(BEGINNING, ...cells.map((cell) => cell.last)),
    () => `the last event time published is ${published.last}; a cell knows of a later one`,
  );
  const finished = cells.every((cell) => cell.status === "finished");
  expect(
    (published.status === "finished") === finished,
    () => `it is published as ${published.status}; its cells are ${cells.map((cell) => cell.status).join(", ")}`,
  );
}

/** Has any published watermark fallen between two moments? */
export function checkRise(names: StoredNames, before: Authorities, after: Authorities, findings: Findings): void {
  for (const { id, name } of names.participants.values()) {
    const [first, second] = [before.get(id)?.published.output, after.get(id)?.published.output];
    if (first !== undefined && second !== undefined)
      findings.expect("monotone", second >= first, { participant: name }, () => `its published watermark fell from ${first} to ${second}`);
  }
}

/**
 * The largest watermark that a participant can have been allowed, by watermarks published now or later: an input that
 * is idle is left out while another is not, and which ones ever were is not known. undefined: nothing is known.
 */
export function largestBound(names: StoredNames, participant: NamedParticipant, authorities: Authorities): number | undefined {
  // A changed graph may have taken away an input that was ahead.
  if (participant.kind === "injector" || names.graph.version !== 1) return undefined;
  const outputs = participant.upstream.map((id) => authorities.get(id)?.published.output);
  return outputs.includes(undefined) ? undefined : Math.max(BEGINNING, ...(outputs as number[]));
}

/** Its output beside what feeds it, both published at one moment. */
export function checkOutputs(names: StoredNames, authorities: Authorities, findings: Findings): void {
  for (const participant of names.participants.values()) {
    const bound = largestBound(names, participant, authorities);
    const output = authorities.get(participant.id)?.published.output;
    if (bound === undefined || output === undefined) continue;
    findings.expect(
      "watermark-upstream",
      output <= bound,
      { participant: participant.name },
      () => `its output watermark is ${output}; those that feed it have come to ${bound}`,
    );
  }
}

/**
 * Has it come to its end for good? It and all that feeds it, in a graph in which no timer goes by wall time: such a
 * timer may fire after the end of all inputs, and make something new.
 */
export function isAtEnd(names: StoredNames, participant: NamedParticipant, authorities: Authorities): boolean {
  const finished = (id: number) => authorities.get(id)?.published.status === "finished";
  const wall = names.graph.participants.some(({ timers }) => timers.some(({ clock }) => clock === "wall"));
  return !wall && finished(participant.id) && participant.upstream.every(finished);
}

const isWatermark = (value: number): boolean => Number.isInteger(value) && value >= BEGINNING && value <= END;
