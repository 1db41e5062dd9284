/** The append-only stream of a run, as the verifier reads it: the whole of it, in order, as it was written. */
import { existsSync, readFileSync } from "node:fs";
import type { Redis } from "ioredis";
import { LINES } from "./orders.ts";
import type { Line } from "./pipeline.ts";

const PAGE = 5_000;

export async function* linesOfStream(redis: Redis): AsyncGenerator<Line> {
  let from = "-";
  for (;;) {
    const entries = await redis.xrange(LINES, from, "+", "COUNT", PAGE);
    for (const [, fields] of entries) yield JSON.parse(fields[fields.indexOf("value") + 1] as string) as Line;
    const last = entries.at(-1);
    if (entries.length < PAGE || last === undefined) return;
    from = `(${last[0]}`;
  }
}

export function linesOfFile(path: string): Line[] {
  if (!existsSync(path)) return [];
  const text = readFileSync(path, "utf8").trimEnd();
  return text === "" ? [] : text.split("\n").map((line) => JSON.parse(line) as Line);
}

export const lineCount = (path: string): number => (existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0);
