/** A tape as text that can be pasted into a command line, or kept in a file: its cells as numbers of 7 bits a byte, deflated, in base64url. */
import { deflateRawSync, inflateRawSync } from "node:zlib";

export function textOfTape(cells: Uint32Array): string {
  const bytes: number[] = [];
  for (const cell of cells) {
    let left = cell;
    for (; left >= 128; left >>>= 7) bytes.push((left & 127) | 128);
    bytes.push(left);
  }
  return deflateRawSync(Uint8Array.from(bytes), { level: 9 }).toString("base64url");
}

/** Throws `SyntaxError` for text that is no tape. */
export function tapeOfText(text: string): Uint32Array {
  if (!/^[\w-]+$/.test(text)) throw new SyntaxError("a tape is text of letters, digits, - and _, as a violation prints it");
  let bytes: Uint8Array;
  try {
    bytes = inflateRawSync(Buffer.from(text, "base64url"), { maxOutputLength: 1 << 24 });
  } catch (error) {
    throw new SyntaxError("this is no whole tape: was a part of it cut off?", { cause: error });
  }
  const cells: number[] = [];
  let cell = 0;
  let shift = 0;
  for (const byte of bytes) {
    cell |= (byte & 127) << shift;
    shift += 7;
    if (byte >= 128) continue;
    cells.push(cell >>> 0);
    cell = 0;
    shift = 0;
  }
  return Uint32Array.from(cells);
}
