/**
 * The id of the BullMQ job for a record: BullMQ takes neither ":" nor whole numbers. Two ids never become one, and most
 * stay as they are, so that a job is found in a dashboard by the id of its record.
 */
import { ConfigError } from "../errors.ts";
import { show } from "../options.ts";

/** Percent-encodes "%", ":", whatever is not visible ASCII, and the first digit of a number. */
export function jobIdOf(id: string): string {
  const encoded = id.replace(/[%:]|[^\x21-\x7e]+/g, encodeURIComponent);
  return /^[+-]?\d+$/.test(encoded) ? `%${encoded.charCodeAt(0).toString(16)}${encoded.slice(1)}` : encoded;
}

/** BullMQ makes keys of the name, divided by ":". */
export function checkQueueName(where: string, name: unknown): asserts name is string {
  if (typeof name === "string" && name !== "" && !name.includes(":")) return;
  throw new ConfigError(`${where}: the name of a BullMQ queue is a text without ":", but it is ${show(name)}`);
}
