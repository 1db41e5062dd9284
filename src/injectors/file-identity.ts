/**
 * How a file is known again: by its first bytes, which no appending changes. Not by its inode, so that a file which was
 * copied or restored is still the same, and another one under its name is not.
 *
 *   head   <number of bytes>:<first 16 hexadecimal digits of their SHA-256>
 */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

/** Bytes of a whole head. A file that was shorter when it was first read is known by what it had. */
export const HEAD_BYTES = 1_024;

const PATTERN = /^(\d+):[0-9a-f]{16}$/;

/** The head of the file as it is now, of at most `bytes` bytes. */
export async function readHead(file: FileHandle, bytes: number = HEAD_BYTES): Promise<string> {
  const buffer = Buffer.alloc(bytes);
  let length = 0;
  for (let read = 1; read > 0 && length < bytes; length += read) ({ bytesRead: read } = await file.read(buffer, length, bytes - length, length));
  return `${length}:${createHash("sha256").update(buffer.subarray(0, length)).digest("hex").slice(0, 16)}`;
}

/** Does the file still begin with what `head` was made of? */
export async function hasHead(file: FileHandle, head: string): Promise<boolean> {
  return (await readHead(file, headLength(head))) === head;
}

/** Bytes that the head was made of. */
export function headLength(head: string): number {
  return Math.min(Number(PATTERN.exec(head)?.[1] ?? 0), HEAD_BYTES);
}

export function isHead(value: unknown): value is string {
  return typeof value === "string" && PATTERN.test(value);
}
