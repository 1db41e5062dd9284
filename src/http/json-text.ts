/** JSON as a client sends it: bytes of UTF-8. Pure. */
import { messageOf } from "../errors.ts";
import { read, type ReadOutcome, refused } from "./read-outcome.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

export function readJson(bytes: Uint8Array): ReadOutcome<unknown> {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return refused("it is not UTF-8");
  }
  try {
    return read(JSON.parse(text) as unknown);
  } catch (error) {
    return refused(text.trim() === "" ? "it is empty where JSON is expected" : `it is not JSON: ${messageOf(error)}`);
  }
}

const SPACE = 0x20;

/** A line without a value: JSON's white space alone. */
export function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === SPACE || byte === 0x09 || byte === 0x0a || byte === 0x0d);
}
