/** Where one command or reply of Redis ends in a stream of bytes: just enough of its protocol to count. It decodes nothing. */

const CR = 13;
/** Types whose line is all there is; the others are a length and what follows. */
const LINE_TYPES = new Set(["+", "-", ":", "_", "#", ",", "("].map((letter) => letter.charCodeAt(0)));
const BULK_TYPES = new Set(["$", "=", "!"].map((letter) => letter.charCodeAt(0)));
const PAIRS = new Set(["%", "|"].map((letter) => letter.charCodeAt(0)));

/** Index after the frame that begins at `from`; undefined: not all of it is there. */
function endOf(bytes: Buffer, from: number): number | undefined {
  const cr = bytes.indexOf(CR, from);
  if (cr < 0 || cr + 1 >= bytes.length) return undefined;
  const type = bytes[from] as number;
  let end = cr + 2;
  if (LINE_TYPES.has(type)) return end;
  const length = Number(bytes.toString("latin1", from + 1, cr));
  if (!Number.isInteger(length)) throw new Error(`no frame of Redis begins with ${JSON.stringify(bytes.toString("latin1", from, from + 20))}`);
  if (length < 0) return end;
  if (BULK_TYPES.has(type)) return end + length + 2 <= bytes.length ? end + length + 2 : undefined;
  for (let left = PAIRS.has(type) ? 2 * length : length; left > 0; left--) {
    const next = endOf(bytes, end);
    if (next === undefined) return undefined;
    end = next;
  }
  return end;
}

/** Cuts a stream of bytes into whole frames; what is not whole waits. */
export class Frames {
  #rest: Buffer = Buffer.alloc(0);

  take(chunk: Buffer): Buffer[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    let from = 0;
    for (let end = endOf(bytes, from); end !== undefined; end = from < bytes.length ? endOf(bytes, from) : undefined) {
      frames.push(bytes.subarray(from, end));
      from = end;
    }
    this.#rest = bytes.subarray(from);
    return frames;
  }
}
