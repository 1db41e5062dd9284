/**
 * Entries as `read-page.lua` packs them: a reply of one text each would cost the client library more than all that is done
 * with them. Pure. A pack is MessagePack, of which only lists and texts occur: `[[id, [name, value, ...]], ...]`.
 */
import type { Buffer } from "node:buffer";
import { invariant } from "../errors.ts";

/** An entry as Redis has it. */
export interface StreamEntry {
  /** "1700000000000-0": ms of the clock of Redis when it was added, unless the producer gave an id, and a number. */
  readonly id: string;
  /** Of two fields with one name, the last. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Names that are longer are read anew each time. */
const KEPT_BYTES = 64;

interface Name {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Reads packs, one after the other. Entries of a stream have the same fields in the same order, mostly: it remembers them. */
export class EntryUnpacker {
  #pack!: Buffer;
  #at = 0;
  /** The names of the fields of the entry before, by their places. */
  readonly #names: Name[] = [];

  /** Hands each entry to `taken`, in their order. */
  unpack(pack: Buffer, taken: (entry: StreamEntry) => void): void {
    this.#pack = pack;
    this.#at = 0;
    for (let left = this.#list(); left > 0; left--) {
      invariant(this.#list() === 2, "an entry of a stream is an id and its fields");
      taken({ id: this.#text(), fields: this.#fields() });
    }
    invariant(this.#at === pack.length, `a pack of entries has ${pack.length - this.#at} bytes after its end`);
  }

  #fields(): Record<string, string> {
    const fields: Record<string, string> = {};
    const count = this.#list() >> 1;
    for (let i = 0; i < count; i++) {
      const name = this.#name(i);
      const value = this.#text();
      // By assignment it would be the object's prototype.
      if (name === "__proto__") Object.defineProperty(fields, name, { value, enumerable: true, writable: true, configurable: true });
      else fields[name] = value;
    }
    return fields;
  }

  #name(place: number): string {
    const length = this.#length();
    const start = this.#at;
    this.#at += length;
    const known = this.#names[place];
    if (known !== undefined && known.bytes.length === length && this.#holds(known.bytes, start)) return known.text;
    const text = this.#pack.toString("utf8", start, this.#at);
    // A copy: it outlives the pack.
    if (length <= KEPT_BYTES) this.#names[place] = { bytes: Uint8Array.from(this.#pack.subarray(start, this.#at)), text };
    return text;
  }

  #holds(bytes: Uint8Array, start: number): boolean {
    const pack = this.#pack;
    for (let i = 0; i < bytes.length; i++) if (pack[start + i] !== bytes[i]) return false;
    return true;
  }

  #text(): string {
    const length = this.#length();
    const start = this.#at;
    this.#at += length;
    return this.#pack.toString("utf8", start, this.#at);
  }

  /** Of a text. */
  #length(): number {
    const kind = this.#byte();
    if (kind >= 0xa0 && kind <= 0xbf) return kind & 0x1f;
    if (kind === 0xd9) return this.#byte();
    if (kind === 0xda) return this.#number(2);
    invariant(kind === 0xdb, `a pack of entries has ${kind} where a text is due`);
    return this.#number(4);
  }

  #list(): number {
    const kind = this.#byte();
    if (kind >= 0x90 && kind <= 0x9f) return kind & 0x0f;
    if (kind === 0xdc) return this.#number(2);
    invariant(kind === 0xdd, `a pack of entries has ${kind} where a list is due`);
    return this.#number(4);
  }

  #number(bytes: number): number {
    const value = this.#pack.readUIntBE(this.#at, bytes);
    this.#at += bytes;
    return value;
  }

  #byte(): number {
    return this.#pack.readUInt8(this.#at++);
  }
}
