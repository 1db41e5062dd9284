/**
 * The watermark authority (`src/watermark/authority.ts`) as it is stored, in one hash for the whole pipeline. Workers
 * report many times a second, so what a report touches is in records of a fixed size: taking text apart in Lua costs
 * ten times as much.
 *
 *   owners:<participant>   the generation given last, then the worker of each shard, separated by spaces: text
 *   cells:<participant>    per cell: digest of its worker (16 bytes), generation, number of its last
 *                          report, output, last (doubles), status (letter)
 *   published              per participant: its id, output, last (doubles), status (letter)
 *
 * A percentile track of a participant is kept as one more participant, under its own id (`watermark/percentile.ts`).
 * A worker is percent-encoded in text and so never "/", which stands for no one. Doubles are little-endian, and hold
 * every time exactly. How many shards a cell has is counted from the owners.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { DecodeError, InvariantError, invariant } from "../../errors.ts";
import type { Authority, Cell, Published } from "../../watermark/authority.ts";
import type { ParticipantWatermark, Status } from "../store.ts";

const NO_ONE = "/";
const DIGEST = 16;
/** As in `report.lua`: <dddc1 */
const PUBLISHED = 25;
/** As in `report.lua`: <c16ddddc1 */
const CELL = DIGEST + 8 + PUBLISHED;
const STATUSES: Readonly<Record<string, Status>> = { l: "live", i: "idle", b: "back-pressured", f: "finished" };

export interface StoredAuthority {
  readonly owners: string;
  readonly cells: Buffer;
  /** This participant's record in `published`. */
  readonly published: Buffer;
}

export const statusLetter = (status: Status): string => status.charAt(0);

let digested: { readonly worker: string | null; readonly digest: Buffer } | undefined;

/** By which a report shows whose it is. A process mostly asks for its own, many times a second: the last one is kept. */
export function workerDigest(worker: string | null): Buffer {
  if (digested === undefined || digested.worker !== worker) {
    digested = { worker, digest: createHash("sha1").update(workerText(worker)).digest().subarray(0, DIGEST) };
  }
  return digested.digest;
}

export function storedAuthority(participant: number, { generation, owners, cells, published }: Authority): StoredAuthority {
  const cellRecords = cells.map((cell) => Buffer.concat([workerDigest(cell.worker), double(cell.generation), record(cell.number, cell)]));
  return { owners: [generation, ...owners.map(workerText)].join(" "), cells: Buffer.concat(cellRecords), published: record(participant, published) };
}

/** `stranger`: names the worker of a cell that owns no shard, by its digest; an InvariantError unless it is given. */
export function parseAuthority(owners: string, cells: Uint8Array, published: Published, stranger?: (digest: string) => string): Authority {
  const [generation, ...texts] = owners.split(" ");
  const workers = texts.map(workerOf);
  const byDigest = new Map(workers.map((worker) => [workerDigest(worker).toString("hex"), worker]));
  const parsed = recordsOf(cells, CELL).map((bytes): Cell => {
    const digest = bytes.toString("hex", 0, DIGEST);
    const worker = byDigest.get(digest) === undefined ? stranger?.(digest) : byDigest.get(digest);
    invariant(worker !== undefined, "the stored watermarks have a cell of a worker who owns no shard");
    const { id, ...values } = parseRecord(bytes.subarray(DIGEST + 8));
    return { worker, generation: bytes.readDoubleLE(DIGEST), number: id, shards: workers.filter((owner) => owner === worker).length, ...values };
  });
  return { generation: Number(generation), owners: workers, cells: parsed, published };
}

/** In the order of participants. */
export function parsePublished(published: Uint8Array): ParticipantWatermark[] {
  const watermarks = recordsOf(published, PUBLISHED).map((bytes) => {
    const { id, output, status, last } = parseRecord(bytes);
    return { participant: id, output, status, last };
  });
  return watermarks.sort((a, b) => a.participant - b.participant);
}

const workerText = (worker: string | null): string => (worker === null ? NO_ONE : encodeURIComponent(worker));

function workerOf(text: string): string | null {
  if (text === NO_ONE) return null;
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new DecodeError(`the stored watermarks name a worker ${JSON.stringify(text)}, which is not percent-encoded; they were damaged`, { cause: error });
  }
}

function record(id: number, { output, last, status }: Published): Buffer {
  const bytes = Buffer.alloc(PUBLISHED);
  bytes.writeDoubleLE(id, 0);
  bytes.writeDoubleLE(output, 8);
  bytes.writeDoubleLE(last, 16);
  bytes.write(statusLetter(status), 24, "latin1");
  return bytes;
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

function parseRecord(bytes: Buffer): Published & { readonly id: number } {
  return { id: bytes.readDoubleLE(0), output: bytes.readDoubleLE(8), last: bytes.readDoubleLE(16), status: statusOf(bytes.toString("latin1", 24, 25)) };
}

function recordsOf(bytes: Uint8Array, size: number): Buffer[] {
  if (bytes.length % size !== 0) throw new DecodeError(`the stored watermarks have ${bytes.length} bytes where each takes ${size}; they were damaged`);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: buffer.length / size }, (_, i) => buffer.subarray(i * size, (i + 1) * size));
}

function statusOf(letter: string): Status {
  const status = STATUSES[letter];
  if (status === undefined) throw new InvariantError(`the stored watermarks have a status ${JSON.stringify(letter)}, which this version does not know`);
  return status;
}
