/**
 * How the bytes of a file become values. A format finds where records end and decodes their text; reading, offsets,
 * limits and UTF-8 are the reader's (`file-reader.ts`).
 */

/** One reader's view of its file; it keeps where it is within a record. */
export interface FileFormat {
  /**
   * The index just after the next record's end in bytes[from..to), or -1 if the record goes on beyond `to`. The reader
   * gives all bytes in order and none twice, and leaves some out only between two records; a multi-byte character never contains a byte that ends a record.
   */
  recordEnd(bytes: Uint8Array, from: number, to: number): number;
  /** The value of a record's text, without its line end; `NOTHING` for text that holds none, such as an empty line. */
  decode(text: string): unknown;
  /** Is the next record one that all others need (a header)? If it cannot be decoded, nothing can. */
  readonly needsHead: boolean;
}

/** What `decode` gives for text that is no record. */
export const NOTHING: unique symbol = Symbol("nothing");

/** What `decode` gives for a record that cannot be decoded. */
export class Undecodable {
  /** Goes on after "bytes 10-90: ", with a verb. */
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}
