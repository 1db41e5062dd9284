/**
 * Proves of the lint rules that guard the design that they refuse what they should: each planted file breaks one rule
 * and only that one. The rules are in `.oxlintrc.json`; a rule that is lost, misspelt or overridden turns this red.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder = "";
let findings: readonly Finding[] = [];

interface Finding {
  readonly rule: string;
  readonly file: string;
  readonly message: string;
}

const store = `interface PipelineStore { commit(list: readonly string[]): Promise<void> }\ndeclare const store: PipelineStore;\n`;
const importOf = (specifier: string) => `import { x } from "${specifier}";\nexport const y = x;\n`;
const typeOf = (specifier: string) => `import type { X } from "${specifier}";\nexport type Y = X;\n`;
const long = (lines: number) => `  let n = 0;\n${"  n += 1;\n".repeat(lines)}  return n;\n`;

/** What is planted, in which file, and the rule that must refuse it. */
const planted: readonly (readonly [file: string, rule: string, text: string])[] = [
  ["src/worker/unawaited.ts", "no-floating-promises", `${store}export function f(): void { store.commit([]); }\n`],
  [
    "src/worker/for-each.ts",
    "no-misused-promises",
    `${store}export const f = (shards: string[]): void => shards.forEach(async (s) => { await store.commit([s]); });\n`,
  ],
  ["src/worker/condition.ts", "no-misused-promises", `${store}export function f(): number { if (store.commit([])) return 1; return 2; }\n`],
  ["src/worker/missed-outcome.ts", "switch-exhaustiveness-check", `export function f(o: "a" | "b"): number { switch (o) { case "a": return 1; } return 2; }\n`],
  ["src/worker/cycle-a.ts", "no-cycle", `import { b } from "./cycle-b.ts";\nexport const a = (): number => b();\n`],
  ["src/worker/cycle-b.ts", "no-cycle", `import { a } from "./cycle-a.ts";\nexport const b = (): number => a();\n`],
  ["src/worker/long-function.ts", "max-lines-per-function", `export function f(): number {\n${long(70)}}\n`],
  ["src/worker/long-file.ts", "max-lines", "export {};\n" + "// x\n".repeat(400)],
  ["src/worker/log.ts", "no-console", `console.log("x");\n`],
  ["src/worker/date-now.ts", "no-restricted-properties", "export const f = () => Date.now();\n"],
  ["src/worker/random.ts", "no-restricted-properties", "export const f = () => Math.random();\n"],
  ["src/worker/hrtime.ts", "no-restricted-properties", "export const f = () => process.hrtime.bigint();\n"],
  ["src/inspect/set-timeout.ts", "no-restricted-globals", "setTimeout(() => {}, 1);\n"],
  ["src/inspect/set-interval.ts", "no-restricted-globals", "setInterval(() => {}, 1);\n"],
  ["src/inspect/set-immediate.ts", "no-restricted-globals", "setImmediate(() => {});\n"],
  ["src/inspect/performance.ts", "no-restricted-globals", "export const f = () => performance.now();\n"],
  ["src/inspect/crypto.ts", "no-restricted-globals", "export const f = () => crypto.randomUUID();\n"],
  ["src/worker/redis.ts", "no-restricted-imports", importOf("ioredis")],
  ["src/store/redis.ts", "no-restricted-imports", importOf("ioredis")],
  ["src/store/lmdb-redis.ts", "no-restricted-imports", importOf("ioredis")],
  ["src/store/memory-lmdb.ts", "no-restricted-imports", importOf("lmdb")],
  ["src/store/redis/lmdb.ts", "no-restricted-imports", importOf("lmdb")],
  ["src/worker/fastify.ts", "no-restricted-imports", importOf("fastify")],
  ["src/effects/bullmq.ts", "no-restricted-imports", importOf("bullmq")],
  ["src/store/redis/bullmq.ts", "no-restricted-imports", importOf("bullmq")],
  ["src/bullmq/redis.ts", "no-restricted-imports", importOf("ioredis")],
  ["src/bullmq/worker.ts", "no-restricted-imports", importOf("../worker/shard.ts")],
  ["src/run.ts", "no-restricted-imports", importOf("ioredis")],
  ["src/clock.ts", "no-restricted-imports", importOf("./worker/x.ts")],
  ["src/timers/node.ts", "no-restricted-imports", importOf("node:fs")],
  ["src/timers/clock.ts", "no-restricted-imports", typeOf("../clock.ts")],
  ["src/watermark/store.ts", "no-restricted-imports", importOf("../store/store.ts")],
  ["src/dedup/redis.ts", "no-restricted-imports", typeOf("../store/redis/keys.ts")],
  ["src/watermark/worker.ts", "no-restricted-imports", importOf("../worker/shard.ts")],
  ["src/store/worker.ts", "no-restricted-imports", importOf("../worker/shard.ts")],
  ["src/store/redis/computation.ts", "no-restricted-imports", importOf("../../computation/codec.ts")],
  ["src/computation/worker.ts", "no-restricted-imports", importOf("../worker/shard.ts")],
  ["src/sinks/memory.ts", "no-restricted-imports", importOf("../store/memory-store.ts")],
  ["src/worker/inspect.ts", "no-restricted-imports", importOf("../inspect/inspection.ts")],
  ["src/injectors/http.ts", "no-restricted-imports", importOf("../http/server.ts")],
  ["src/inspect/fastify.ts", "no-restricted-imports", importOf("fastify")],
  ["src/http/redis.ts", "no-restricted-imports", importOf("../store/redis/redis-store.ts")],
  ["src/worker/store.ts", "no-restricted-imports", importOf("../store/redis/redis-store.ts")],
  ["src/audit/lmdb.ts", "no-restricted-imports", importOf("../store/lmdb-store.ts")],
  ["src/offline/lmdb.ts", "no-restricted-imports", importOf("../store/lmdb-store.ts")],
  ["src/inspect/cli.ts", "no-restricted-imports", importOf("../cli/main.ts")],
  ["src/testing/redis.ts", "no-restricted-imports", importOf("../store/redis/redis-store.ts")],
  ["src/redis-streams/worker.ts", "no-restricted-imports", importOf("../worker/shard.ts")],
  ["src/redis-streams/keys.ts", "no-restricted-imports", importOf("../store/redis/keys.ts")],
  ["test/only.test.ts", "no-focused-tests", `import { test } from "vitest";\ntest.${"only"}("a", () => {});\n`],
];

/** What no rule may refuse. */
const allowed: readonly (readonly [file: string, text: string])[] = [
  ["src/random.ts", "export const f = () => Math.random() + Date.now();\n"],
  ["src/cli/terminal.ts", `setTimeout(() => console.log(Date.now()), 1);\n`],
  ["src/store/redis/client.ts", importOf("ioredis")],
  ["src/redis-streams/client.ts", importOf("ioredis")],
  ["src/redis-streams/options.ts", importOf("../store/redis/client-options.ts")],
  ["src/store/lmdb-store.ts", importOf("lmdb")],
  ["src/http/server.ts", `${importOf("fastify")}export const text = (ms: number) => new Date(ms).toISOString();\n`],
  ["src/cli/main.ts", importOf("commander")],
  ["src/bullmq/module.ts", importOf("bullmq")],
  ["src/timers/timer.ts", typeOf("../store/commit.ts")],
  ["src/worker/type-cycle-a.ts", `import { b } from "./type-cycle-b.ts";\nexport interface A { n: number }\nexport const a = b;\n`],
  ["src/worker/type-cycle-b.ts", `import type { A } from "./type-cycle-a.ts";\nexport const b = (x: A) => x.n;\n`],
  ["src/worker/awaited.ts", `${store}export async function f(): Promise<void> { await store.commit([]); }\n`],
  ["src/worker/never-in-message.ts", "export const f = (n: never): string => `not ${n}`;\n"],
];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "millrace-lint-"));
  for (const name of [".oxlintrc.json", "tsconfig.json", "package.json"]) cpSync(join(root, name), join(folder, name));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  for (const [file, text] of [...planted.map(([file, , text]) => [file, text] as const), ...allowed]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  findings = await lint();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(planted)("%s is refused by %s", (file, rule) => {
  expect(findings.filter((finding) => finding.file === file).map((finding) => finding.rule)).toEqual([rule]);
});

test.each(allowed)("%s is not refused", (file) => {
  expect(findings.filter((finding) => finding.file === file)).toEqual([]);
});

/** Runs the linter as `npm run lint` does. */
async function lint(): Promise<Finding[]> {
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      [join(root, "node_modules/oxlint/bin/oxlint"), "--type-aware", "-f", "json", "src", "test"],
      { cwd: folder, maxBuffer: 1 << 24, timeout: 25_000 },
      (_, stdout, stderr) => resolve({ stdout, stderr }),
    );
  });
  if (!stdout.startsWith("{")) throw new Error(`oxlint did not run: ${stdout}${stderr}`);
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string; message: string }[] };
  return diagnostics.map(({ code, filename, message }) => ({ rule: code.replace(/^.*\((.*)\)$/, "$1"), file: filename, message }));
}
