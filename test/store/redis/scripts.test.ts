/** Each Lua file says in its header what its definition says, and keeps the form that makes a script safe to read. */
import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { APPEND_ENTRIES, READ_PAGE } from "../../../src/redis-streams/scripts.ts";
import type { Script } from "../../../src/store/redis/script.ts";
import { PROBE, READING_SCRIPTS, ROOM, SCRIPTS } from "../../../src/store/redis/scripts.ts";

const all: readonly Script[] = [...SCRIPTS, ...READING_SCRIPTS, PROBE];
/** `ROOM` only looks like one that writes, so that a full server refuses it. */
const writers = SCRIPTS.filter((script) => script.flags !== "no-writes" && script !== ROOM);
const folder = new URL("../../../src/store/redis/lua/", import.meta.url);

interface Header {
  readonly flags: string;
  readonly fields: ReadonlyMap<string, string>;
}

function headerOf(source: string): Header {
  const lines = source.split("\n");
  const flags = /^#!lua(?: flags=([a-z-]+))?$/.exec(lines[0]!);
  expect(flags, "the first line is a shebang, so that the server checks before it runs").not.toBeNull();
  const fields = new Map<string, string>();
  for (const line of lines.slice(1)) {
    if (!line.startsWith("--")) break;
    const field = /^-- (KEYS|ARGV|REPLY|OUTCOMES|ERRORS) *(.*)$/.exec(line);
    if (field !== null) fields.set(field[1]!, field[2]!);
  }
  return { flags: flags![1] ?? "", fields };
}

const codeOf = (source: string): string =>
  source
    .split("\n")
    .filter((line) => !/^\s*--/.test(line) && !line.startsWith("#!"))
    .join("\n");

test("every Lua file has a definition, and every definition a file", () => {
  expect(readdirSync(folder).sort()).toEqual(all.map(({ file }) => file).sort());
});

test("an audit has no script that writes", () => {
  expect(READING_SCRIPTS.map(({ flags }) => flags)).toEqual(READING_SCRIPTS.map(() => "no-writes"));
});

test("the scripts that write are those that the Store contract names; init has two more in a cluster", () => {
  const named = ["init", "begin-change", "init-domain", "announce", "depart", "acquire", "renew", "release", "commit", "deliver", "register", "report"];
  expect(writers.map(({ file }) => file)).toEqual(named.map((name) => `${name}.lua`));
});

/** Those of `redis-streams` are in a folder of their own, and kept as these are. */
describe.each([...all, READ_PAGE, APPEND_ENTRIES].map((script) => [script.file, script] as const))("%s", (_, script) => {
  const { flags, fields } = headerOf(script.source);

  test("its header and its definition agree", () => {
    expect(flags).toBe(script.flags);
    expect(fields.get("KEYS")).toBe(script.keys);
    expect(fields.get("ARGV")).toBe(script.args);
    expect(fields.get("REPLY")).toBe(script.reply);
    const outcomes = Object.entries(script.outcomes).map(([letter, outcome]) => `${letter} ${outcome}`);
    expect(fields.get("OUTCOMES") ?? "").toBe(outcomes.join(", "));
  });

  test("its errors are those of its header", () => {
    const raised = [...codeOf(script.source).matchAll(/error_reply\('([A-Z]+)/g)].map(([, code]) => code);
    expect([...new Set(raised)].join(", ")).toBe(fields.get("ERRORS") ?? "");
  });

  test("it fits on a screen or two", () => {
    expect(script.source.split("\n").length).toBeLessThanOrEqual(120);
    expect(Math.max(...script.source.split("\n").map((line) => line.length))).toBeLessThanOrEqual(260);
  });

  test("it asks for the time once at most, and changes nothing of the server's", () => {
    const code = codeOf(script.source);
    expect(code.match(/'TIME'/g)?.length ?? 0).toBeLessThanOrEqual(1);
    expect(code).not.toMatch(/math\.random|pcall|setresp|'(CONFIG|SCRIPT|FLUSH\w*|SELECT|EXPIRE\w*|PEXPIRE\w*|SETEX)'/);
  });

  test("no key is made in it: all are given in KEYS", () => {
    for (const [call] of codeOf(script.source).matchAll(/redis\.call\([^,()]+(?:\([^)]*\))?,\s*[^,)]+/g))
      expect(call).toMatch(/,\s*('STREAM'|KEYS\[|meta|inbox|marks|key|holds|set|unpack\(KEYS)/);
  });
});

describe.each(writers.map((script) => [script.file, script] as const))("%s", (_, script) => {
  const WRITES = /redis\.call\((?:'(?:HSET|HDEL|HINCRBY|ZADD|ZREM\w*|RPUSH|LTRIM|INCR|SETNX|UNLINK|XADD)'|VERBS\[|appended)/;
  const [checks = "", ...rest] = script.source.split(/^-- Writes\.$/m);
  const writes = rest.join("");

  test("its checks are before the line that says so, its writes after it", () => {
    expect(rest).toHaveLength(1);
    expect(checks).not.toMatch(WRITES);
    expect(writes).toMatch(WRITES);
  });

  test("it refuses nothing once it has begun to write", () => {
    expect(writes).not.toMatch(/error_reply|error\(|assert\(/);
    expect(codeOf(writes).match(/return/g)).toHaveLength(1);
  });
});

test("the text that is loaded is the text of the file", () => {
  for (const { file, source } of all) expect(source).toBe(readFileSync(new URL(file, folder), "utf8"));
});
