/** One JSON value a line. Empty lines hold no record. */
import { messageOf } from "../errors.ts";
import { type FileFormat, NOTHING, Undecodable } from "./file-format.ts";

const NEWLINE = 0x0a;

export class NdjsonFormat implements FileFormat {
  readonly needsHead = false;

  recordEnd(bytes: Uint8Array, from: number, to: number): number {
    // `indexOf` has no upper bound, and bytes beyond `to` are an earlier fill's.
    const at = bytes.indexOf(NEWLINE, from);
    return at < 0 || at >= to ? -1 : at + 1;
  }

  decode(text: string): unknown {
    if (text === "") return NOTHING;
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      return text.trim() === "" ? NOTHING : new Undecodable(`is not JSON: ${messageOf(error)}`);
    }
  }
}
