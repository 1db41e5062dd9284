/** What the id that a client gives a record may be. */
import { ID_BYTES } from "../limits.ts";
import { isStorable } from "../text.ts";

/** Why this is no id; undefined: it is one. */
export function refusalOfId(id: unknown): string | undefined {
  if (typeof id !== "string") return `its id is ${String(id)}; an id is a non-empty string`;
  if (id.length === 0) return "its id is empty; an id is a non-empty string";
  if (!isStorable(id)) return `its id ${JSON.stringify(id)} is not well-formed Unicode`;
  return Buffer.byteLength(id) > ID_BYTES ? `its id is longer than ${ID_BYTES} bytes` : undefined;
}
