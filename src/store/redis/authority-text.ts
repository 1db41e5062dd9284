/**
 * The watermark authority (`src/watermark/authority.ts`) as it is stored: text that `report.lua` can take apart, in
 * one hash for the whole pipeline.
 *
 *   owners:<participant>   the generation given last, then the worker of each shard, separated by spaces
 *   cells:<participant>    <worker> <generation> <shards> <output> <status> <last>;  per cell
 *   published              #<participant> <output> <status> <last>;                  per participant
 *
 * A worker is percent-encoded and so never "/", which stands for no one. A status is its first letter.
 */
import { InvariantError } from "../../errors.ts";
import type { Authority, Cell, Published } from "../../watermark/authority.ts";
import type { ParticipantWatermark, Status } from "../store.ts";

const NO_ONE = "/";
const STATUSES: Readonly<Record<string, Status>> = { l: "live", i: "idle", b: "back-pressured", f: "finished" };

export const workerText = (worker: string | null): string => (worker === null ? NO_ONE : encodeURIComponent(worker));
const workerOf = (text: string): string | null => (text === NO_ONE ? null : decodeURIComponent(text));
export const statusLetter = (status: Status): string => status.charAt(0);

export interface AuthorityText {
  readonly owners: string;
  readonly cells: string;
  /** This participant's part of `published`. */
  readonly published: string;
}

export function authorityText(participant: number, { generation, owners, cells, published }: Authority): AuthorityText {
  return {
    owners: [generation, ...owners.map(workerText)].join(" "),
    cells: cells.map(cellText).join(""),
    published: `#${participant} ${published.output} ${statusLetter(published.status)} ${published.last};`,
  };
}

export function parseAuthority(owners: string, cells: string, published: Published): Authority {
  const [generation, ...workers] = owners.split(" ");
  return { generation: Number(generation), owners: workers.map(workerOf), cells: entriesOf(cells).map(parseCell), published };
}

/** In the order of participants. */
export function parsePublished(text: string): ParticipantWatermark[] {
  const watermarks = entriesOf(text).map((entry) => {
    const [participant = "", output = "", status = "", last = ""] = entry.slice(1).split(" ");
    return { participant: Number(participant), output: Number(output), status: statusOf(status), last: Number(last) };
  });
  return watermarks.sort((a, b) => a.participant - b.participant);
}

const entriesOf = (text: string): string[] => text.split(";").slice(0, -1);

function cellText({ worker, generation, shards, output, status, last }: Cell): string {
  return `${workerText(worker)} ${generation} ${shards} ${output} ${statusLetter(status)} ${last};`;
}

function parseCell(text: string): Cell {
  const [worker = "", generation = "", shards = "", output = "", status = "", last = ""] = text.split(" ");
  return { worker: workerOf(worker), generation: Number(generation), shards: Number(shards), output: Number(output), status: statusOf(status), last: Number(last) };
}

function statusOf(letter: string): Status {
  const status = STATUSES[letter];
  if (status === undefined) throw new InvariantError(`the stored watermarks have a status ${JSON.stringify(letter)}, which this version does not know`);
  return status;
}
