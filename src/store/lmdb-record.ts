/**
 * A shard's record in LMDB: everything that is one value a shard, so that no count ever needs a scan.
 *
 *   15 numbers of 8 bytes (floats, big end first): monotonic, lease, number, position, offset, tail, queued, and the
 *   counts of state, watermark timers, wall timers, holds, held, dead, ids, outbox
 *   4 texts, each after its length in 2 bytes: sequencer, owner, commit id, consumed identity (bytes)
 *
 * An empty sequencer or owner means none.
 */
import { DecodeError } from "../errors.ts";
import type { EmbeddedShard } from "./embedded-shard.ts";

const NUMBERS = 15;

/** What a record says besides the counts. */
export type RecordFields = Pick<
  EmbeddedShard,
  "sequencer" | "monotonic" | "owner" | "leaseUntil" | "number" | "id" | "position" | "offset" | "tail" | "queued" | "consumedIdentity"
>;

export function encodeRecord(shard: EmbeddedShard): Buffer {
  const { monotonic, leaseUntil, number, position, offset, tail, queued, counts } = shard;
  const { state, watermark, wall, holds, held, dead, ids, outbox } = counts;
  const numbers = [monotonic, leaseUntil, number, position, offset, tail, queued, state, watermark, wall, holds, held, dead, ids, outbox];
  const texts = [shard.sequencer ?? "", shard.owner ?? "", shard.id];
  const { consumedIdentity } = shard;
  const length = NUMBERS * 8 + texts.reduce((sum, text) => sum + 2 + Buffer.byteLength(text), 0) + 2 + consumedIdentity.length;
  const record = Buffer.allocUnsafe(length);
  let at = 0;
  for (const each of numbers) at = record.writeDoubleBE(each, at);
  for (const text of texts) {
    const written = record.write(text, at + 2);
    record.writeUInt16BE(written, at);
    at += 2 + written;
  }
  record.writeUInt16BE(consumedIdentity.length, at);
  record.set(consumedIdentity, at + 2);
  return record;
}

/** Fills in what the record says, and gives the counts. Throws `DecodeError` where the bytes are no record. */
export function decodeRecord(record: Buffer, shard: RecordFields): EmbeddedShard["counts"] {
  if (record.length < NUMBERS * 8) throw damaged(record);
  const numbers = Array.from({ length: NUMBERS }, (_, i) => record.readDoubleBE(i * 8));
  if (!numbers.every(Number.isFinite)) throw damaged(record);
  const [monotonic = 0, leaseUntil = 0, number = 0, position = 0, offset = 0, tail = 0, queued = 0, ...counts] = numbers;
  const [state = 0, watermark = 0, wall = 0, holds = 0, held = 0, dead = 0, ids = 0, outbox = 0] = counts;
  let at = NUMBERS * 8;
  const next = (): Buffer => {
    const end = at + 2 > record.length ? Number.POSITIVE_INFINITY : at + 2 + record.readUInt16BE(at);
    if (end > record.length) throw damaged(record);
    const part = record.subarray(at + 2, end);
    at = end;
    return part;
  };
  const [sequencer, owner, id] = [next().toString(), next().toString(), next().toString()];
  const read = { monotonic, leaseUntil, number, position, offset, tail, queued, id, consumedIdentity: Uint8Array.from(next()) };
  Object.assign(shard, read, { sequencer: sequencer === "" ? undefined : sequencer, owner: owner === "" ? undefined : owner });
  return { state, watermark, wall, holds, held, dead, ids, outbox };
}

const damaged = (record: Buffer): DecodeError => new DecodeError(`the record of a shard, ${record.length} bytes, is not what Millrace writes; it was damaged`);
