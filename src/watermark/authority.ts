/**
 * The watermark authority of one participant: which worker speaks for which of its shards, what each has reported,
 * and the one value that follows. Pure: plain data in, new plain data out, nothing of it is ever changed in place.
 * Stores keep the data (as JSON) and call this within their atomic step.
 *
 * A cell holds one worker's report. Shards that no one has registered are in a cell of their own (worker null), which
 * no one reports for, so it pins. The authority takes minima of what was reported and nothing else: it never combines
 * one shard's pending work with an upstream value that the shard had not seen.
 *
 * A1  The published output never falls.
 * A2  Each shard is in exactly one cell, and a cell without shards does not exist.
 * A3  A report counts only if its generation is its cell's: its worker has exactly the shards that it thinks it has.
 * A4  Shards that change hands bring the value they were reported under; it holds until the new owner reports.
 * A5  A report that overtook another is not undone by it: a worker gives up a report whose answer does not come, and it
 *     may arrive yet, with a status that was true then.
 * A6  Whoever registers shards is told what is in force for them, for it may not start below: a published output that
 *     other cells have held back may rise to that at any moment.
 */
import { invariant } from "../errors.ts";
import type { Status, WatermarkReport } from "../store/store.ts";
import { BEGINNING, END } from "../time.ts";

/** One worker's reports of one participant. */
export interface Cell {
  /** null: no worker. */
  readonly worker: string | null;
  readonly generation: number;
  /** Of the last report taken; 0: none yet. */
  readonly number: number;
  /** How many. Never 0. */
  readonly shards: number;
  readonly output: number;
  readonly status: Status;
  readonly last: number;
}

/** What is published: the participant's output watermark, its status and the largest event time it knows of. */
export interface Published {
  readonly output: number;
  readonly status: Status;
  readonly last: number;
}

export interface Authority {
  /** The last generation given; each is given once. */
  readonly generation: number;
  /** The worker of each shard; its length is the participant's number of shards. */
  readonly owners: readonly (string | null)[];
  readonly cells: readonly Cell[];
  readonly published: Published;
}

/** `granted`: the generation that the worker's reports must show. `output`: what its cell has, which holds until it reports. */
export interface Registered {
  readonly authority: Authority;
  readonly granted: number;
  readonly output: number;
}

/** The authority of a participant that has just been added: nothing is known of any shard. */
export function newAuthority(shards: number): Authority {
  return {
    generation: 0,
    owners: Array.from({ length: shards }, () => null),
    cells: [{ worker: null, generation: 0, number: 0, shards, output: BEGINNING, status: "live", last: BEGINNING }],
    published: { output: BEGINNING, status: "live", last: BEGINNING },
  };
}

/**
 * Makes `shards` exactly the worker's set. Shards it had and no longer lists belong to no one. Workers that lose a
 * shard by this get a new generation that they do not know, so they are refused until they register again.
 */
export function register(authority: Authority, worker: string, shards: readonly number[]): Registered {
  const listed = new Set(shards);
  for (const shard of listed) invariant(authority.owners[shard] !== undefined, `worker ${worker} registers shard ${shard} of ${authority.owners.length}`);
  const owners = authority.owners.map((owner, shard) => (listed.has(shard) ? worker : owner === worker ? null : owner));
  const own = authority.cells.find((cell) => cell.worker === worker);
  const losers = new Set([...listed].map((shard) => authority.owners[shard]).filter((owner) => owner !== worker));
  const sources = authority.cells.filter((cell) => cell === own || losers.has(cell.worker));
  const givenUp = authority.owners.some((owner, shard) => owner === worker && !listed.has(shard));

  const granted = authority.generation + 1;
  let generation = granted;
  const cells: Cell[] = [];
  for (const cell of authority.cells) {
    if (cell.worker === worker || cell.worker === null) continue;
    cells.push(losers.has(cell.worker) ? { ...cell, generation: ++generation } : cell);
  }
  const taken = listed.size > 0 ? { ...merged(sources), worker, generation: granted } : undefined;
  if (taken !== undefined) cells.push(taken);
  const unowned = authority.cells.filter((cell) => cell.worker === null || (givenUp && cell === own));
  if (owners.includes(null)) cells.push({ ...merged(unowned), worker: null, generation: 0 });

  const counted = cells.map((cell) => ({ ...cell, shards: owners.filter((owner) => owner === cell.worker).length }));
  const next = publish({ generation, owners, cells: counted.filter((cell) => cell.shards > 0), published: authority.published });
  return { authority: next, granted, output: taken?.output ?? BEGINNING };
}

/** Takes a report; undefined: it is refused whole, because the worker's shards are not what it thinks. */
export function report(authority: Authority, worker: string, given: Omit<WatermarkReport, "participant">): Authority | undefined {
  const cell = authority.cells.find((each) => each.worker === worker);
  if (cell === undefined || cell.generation !== given.generation) return undefined;
  if (given.number <= cell.number) return authority;
  const { number, status } = given;
  const output = Math.max(cell.output, given.output);
  const last = Math.max(cell.last, given.last);
  const cells = authority.cells.map((each) => (each === cell ? { ...cell, number, output, status, last } : each));
  return publish({ ...authority, cells });
}

/** What is known of shards that come from several cells: the least of each, and live, since idle would not hold. */
function merged(cells: readonly Cell[]): Omit<Cell, "worker" | "generation"> {
  invariant(cells.length > 0, "shards of a participant that are in no cell");
  return {
    number: 0,
    shards: 0,
    output: Math.min(...cells.map((cell) => cell.output)),
    status: "live",
    last: Math.max(...cells.map((cell) => cell.last)),
  };
}

function publish(authority: Authority): Authority {
  const { cells, published } = authority;
  const least = Math.min(...cells.map((cell) => (cell.status === "finished" ? END : cell.output)));
  return {
    ...authority,
    published: {
      output: Math.max(published.output, least),
      status: combined(cells),
      last: Math.max(published.last, ...cells.map((cell) => cell.last)),
    },
  };
}

function combined(cells: readonly Cell[]): Status {
  if (cells.every((cell) => cell.status === "finished")) return "finished";
  if (cells.every((cell) => cell.status === "finished" || cell.status === "idle")) return "idle";
  return cells.some((cell) => cell.status === "back-pressured") ? "back-pressured" : "live";
}
