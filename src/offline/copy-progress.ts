/**
 * How far a copy has come, as each shard of its target keeps it: in the place of the image, until the shard is complete.
 * It is written by the commit that it tells of, so it is true whenever the copy is killed.
 */
import type { ShardRef } from "../key.ts";

/** No image begins with it: their formats count from 1. */
const MARK = 0xc0;
const BYTES = 1 + 8 + 8;

export interface CopyProgress {
  /** Shard of the source whose contents were written last. */
  readonly source: ShardRef;
  /** Parcels of its inbox before this position are here. */
  readonly position: number;
}

export function encodeProgress({ source, position }: CopyProgress): Uint8Array {
  const bytes = Buffer.alloc(BYTES, MARK);
  bytes.writeDoubleLE(source, 1);
  bytes.writeDoubleLE(position, 9);
  return bytes;
}

/** undefined: it is the image of a shard that is complete. */
export function decodeProgress(image: Uint8Array): CopyProgress | undefined {
  if (image.length !== BYTES || image[0] !== MARK) return undefined;
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  return { source: bytes.readDoubleLE(1), position: bytes.readDoubleLE(9) };
}
