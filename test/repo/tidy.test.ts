/**
 * What the linter cannot hold: the project's words, the shape of its files, its Lua. Every finding names the place and
 * what to do about it. Layers, time, randomness and awaiting are in `.oxlintrc.json`, documents in `documents.test.ts`.
 */
import { spawnSync } from "node:child_process";
import { basename, dirname, join } from "node:path";
import { expect, test } from "vitest";
import { files, filesIn, lineOf, type ProjectFile, placesOf, root, withoutComments } from "./project-files.ts";

const CODE = ["src", "test", "bench", "sim", "fuzz", "chaos", "examples", "scripts"];
const code = filesIn(CODE, ".ts", ".mjs");
const source = filesIn(["src"], ".ts");
const scripts = filesIn(["src/store/redis/lua", "src/redis-streams/lua"], ".lua");

/** A word that has another name here, or none; what to write instead; where it is right all the same. */
interface BannedWord {
  readonly word: RegExp;
  readonly instead: string;
  readonly except?: RegExp;
}

/** Words of design that have one name only. Those which are plain English elsewhere (source, message) are not listed. */
const bannedWords: readonly BannedWord[] = [
  { word: /\btopics?\b/gi, instead: "a stream" },
  { word: /\b(emit(s|ted|ting|ter)?|emissions?)\b/gi, instead: "produce, a production" },
  { word: /\bpunctuat(e|es|or|ion|ions)\b/gi, instead: "a timer" },
  { word: /\balarms?\b/gi, instead: "a timer" },
  { word: /\bpartitioner\b/gi, instead: "a key extractor" },
  { word: /\bsharding key\b/gi, instead: "a key" },
  { word: /(?<!\b(the|Unix) )\bepochs?\b/gi, instead: "a sequencer, or the epoch for 1970" },
  { word: /\boffset commits?\b/gi, instead: "a checkpoint" },
  { word: /(?<!\b(stream|record) )\bprocessors?\b/gi, instead: "a computation" },
  { word: /\b(mutex|semaphore)(es|s)?\b/gi, instead: "a sequencer" },
  { word: /\b(un)?lock(s|ed)?\b(?! file)/gi, instead: "a sequencer, or a lease", except: /^src\/(store\/lmdb-|sinks\/|cli\/|bullmq\/worker-options)/ },
  { word: /\btransactions?\b/gi, instead: "a commit", except: /^src\/store\/(lmdb-|redis\/)/ },
  { word: /\bEvent ?(Emitter|Target)\b/g, instead: "a function that is passed in" },
];

test("one thing has one name", () => {
  const findings = source.flatMap(({ path, text }) => {
    const words = { path, text: text.replace(/(?<=[a-z])(?=[A-Z])/g, " ").replace(/_/g, " ") };
    return bannedWords
      .filter(({ except }) => except?.test(path) !== true)
      .flatMap(({ word, instead }) => placesOf(words, word, `this is called ${instead} here (ARCHITECTURE.md, vocabulary)`));
  });
  expect(findings).toEqual([]);
});

test("no file is named after nothing", () => {
  const vague = /^(utils?|helpers?|common|misc|shared|tools?|lib)(\.|$)/;
  expect(files.filter(({ path }) => path.split("/").some((part) => vague.test(part))).map(({ path }) => `${path}: name it after the noun it holds`)).toEqual(
    [],
  );
});

test("names of files are in kebab-case", () => {
  const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|test-d|config|d))?\.(ts|mjs|lua)$/;
  expect(
    filesIn(CODE, ".ts", ".mjs", ".lua")
      .filter(({ path }) => !kebab.test(basename(path)))
      .map(({ path }) => path),
  ).toEqual([]);
});

test("every file of code says first what it is", () => {
  // A file of tests says it by its path and the names of its tests.
  const silent = code.filter(({ path, text }) => !path.endsWith(".test.ts") && !/^(#!.*\n)?\/[*/]/.test(text));
  expect(silent.map(({ path }) => `${path}: open it with a comment: what it owns, what it does not`)).toEqual([]);
});

test("no file is longer than a reader can hold in mind", () => {
  const tooLong = [...code, ...scripts].flatMap(({ path, text }) => {
    const most = path.endsWith(".lua") ? 120 : path.startsWith("test/") ? 600 : 400;
    const lines = text.split("\n").length - 1;
    return lines > most ? [`${path}: ${lines} lines, ${most} at most: which two nouns are in it?`] : [];
  });
  expect(tooLong).toEqual([]);
});

test("nothing is unfinished, skipped or singled out", () => {
  // In halves, so that this file may name them.
  const marks = new RegExp(`\\b(${["TO DO", "FIX ME", "XX X", "HA CK"].map((halves) => halves.replace(" ", "")).join("|")})\\b`, "g");
  const partial = /\b(it|test|describe)\.(only|skip|todo|skipIf|runIf|fails)\b|\b(context|ctx|t)\.skip\(/g;
  expect([
    ...[...code, ...filesIn(["docs"], ".md")].flatMap((file) => placesOf(file, marks, "do it, or write an issue")),
    ...filesIn(["test"], ".ts").flatMap((file) => placesOf(withoutComments(file), partial, "every test runs, everywhere")),
  ]).toEqual([]);
});

test("nothing names a folder of one person's machine", () => {
  const home = /(?<![\w.:/-])\/(?:root|work|home|Users)\/[\w.-]+/g;
  expect(files.flatMap((file) => placesOf(file, home, "say it relative to the project"))).toEqual([]);
});

test("the engine has no way around its clock and its random source", () => {
  const bound = source.filter(({ path }) => path !== "src/clock.ts" && path !== "src/random.ts" && !path.startsWith("src/cli/")).map(withoutComments);
  expect(
    bound.flatMap((file) => [
      ...placesOf(file, /\bnew Date\(\s*\)|(?<!new )\bDate\(\s*\)/g, "take a Clock (src/clock.ts) and ask clock.now()"),
      ...placesOf(file, /["']node:(timers|timers\/promises|perf_hooks)["']/g, "take a Clock (src/clock.ts)"),
      ...placesOf(file, /\b(random(Bytes|UUID|Int|Fill|FillSync)|getRandomValues|webcrypto)\b/g, "take a Random (src/random.ts)"),
      ...placesOf(file, /["']nanoid["']/g, "take a Random (src/random.ts) and ask random.id()"),
    ]),
  ).toEqual([]);
});

test("timers, watermark and dedup do nothing that takes time", () => {
  const pure = filesIn(["src/timers", "src/watermark", "src/dedup"], ".ts").map(withoutComments);
  expect(pure.flatMap((file) => placesOf(file, /\b(async|await|Promise)\b/g, "pure folders are synchronous: let the caller wait"))).toEqual([]);
});

test("a test is where what it tests is", () => {
  const sourceFolders = new Set(source.map(({ path }) => dirname(path).replace(/^src/, "test")));
  /** Tests of more than one part, and of what is not in src. */
  const others = /^test\/(repo|types|simulation|crash|chaos|end-to-end|examples|bench|fuzz)(\/|$)/;
  const astray = filesIn(["test"], ".test.ts").filter(({ path }) => !sourceFolders.has(dirname(path)) && !others.test(dirname(path)));
  expect(astray.map(({ path }) => `${path}: there is no ${dirname(path).replace(/^test/, "src")}; mirror the folder of what is tested`)).toEqual([]);
});

test("every script opens with its contract, checks first and writes last", () => {
  // The probe has a key of its own, and tries there whether all that the others do is allowed.
  expect(scripts.filter(({ path }) => basename(path) !== "probe.lua").flatMap(luaFindings)).toEqual([]);
});

test("the lock has the optional packages of every platform", () => {
  const { status, stdout } = spawnSync(process.execPath, [join(root, "scripts/complete-lock.mjs"), "--check"], { encoding: "utf8" });
  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
});

const READS = new Set(
  "EXISTS GET GETRANGE HEXISTS HGET HGETALL HKEYS HLEN HMGET HSCAN ZSCAN INFO LINDEX LLEN LRANGE MGET SCARD SISMEMBER SMEMBERS STRLEN TIME TYPE XINFO XRANGE ZCARD ZCOUNT ZMSCORE ZRANGE ZRANK ZSCORE".split(
    " ",
  ),
);

/** Lua is atomic but not rolled back: a refusal after a write would leave half a commit behind. */
function luaFindings({ path, text }: ProjectFile): string[] {
  const findings: string[] = [];
  const header = /^(#!lua[^\n]*)\n((?:--[^\n]*\n)+)/.exec(text);
  if (header === null) return [`${path}:1: begin with "#!lua" and its flags, then a comment that is the contract`];
  for (const part of ["KEYS", "ARGV", "REPLY"]) {
    if (!new RegExp(`^-- ${part}\\b`, "m").test(header[2] ?? "")) findings.push(`${path}:2: the contract has no line "-- ${part}"`);
  }
  const body = text.replace(/--[^\n]*/g, (comment) => (/^-- (Checks|Writes)\b/.test(comment) ? comment : " ".repeat(comment.length)));
  const checks = body.search(/^-- Checks\b/m);
  const writes = body.search(/^-- Writes\b/m);
  const calls = [...body.matchAll(/redis\.p?call\(\s*(?:'([A-Za-z]+)'|"([A-Za-z]+)")?/g)];
  const writing = calls.filter((call) => !READS.has((call[1] ?? call[2] ?? "?").toUpperCase()));
  if (writing.length === 0) return findings;
  if (writes < 0) return [...findings, `${path}: it writes, so it needs a line "-- Writes." before the first write`];
  const refuses = /^-- (OUTCOMES|ERRORS)\b/m.test(header[2] ?? "");
  if (refuses && (checks < 0 || writes < checks)) findings.push(`${path}: it refuses, so it needs a line "-- Checks.", before "-- Writes."`);
  for (const call of writing) {
    if (call.index < writes) findings.push(`${path}:${lineOf(body, call.index)}: ${call[0]} writes, but stands before "-- Writes."`);
  }
  for (const refusal of body.slice(writes).matchAll(/error_reply|\berr\s*=|\berror\(/g)) {
    findings.push(`${path}:${lineOf(body, writes + refusal.index)}: a refusal after the first write leaves half of it behind`);
  }
  return findings;
}
