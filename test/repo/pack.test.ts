/**
 * The package as its users get it: built and packed from a copy of the sources, installed in an empty project, imported,
 * required, type-checked and run.
 *
 * The empty project has a lock made from ours, so that what is installed are the versions we test with, and so that
 * `npm ci`'s cache is enough: no registry has to answer.
 */
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startRedis } from "../support/redis-server.ts";
import { sized } from "../support/size.ts";
import { root } from "./project-files.ts";

interface LockEntry {
  readonly dev?: boolean;
  readonly version?: string;
}
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Record<string, string | { readonly default: string }>;
  readonly bin: Record<string, string>;
  readonly dependencies: Record<string, string>;
}

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
const doors = Object.keys(manifest.exports)
  .filter((door) => !door.endsWith(".json"))
  .map((door) => manifest.name + door.slice(1));
/** What package.json names of the code. */
const entered = [...Object.values(manifest.exports), ...Object.values(manifest.bin)]
  .map((door) => (typeof door === "string" ? door : door.default).replace("./", ""))
  .filter((path) => path.endsWith(".js"));
const texts = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "LICENSE", "CHANGELOG.md"];
/** What the oldest makes of the declarations, `test/types` sees in every run. */
const compilers = sized(["typescript"], ["typescript-oldest", "typescript"]);

let folder = "";
let user = "";
let packed: readonly string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "millrace-pack-"));
  const archive = await pack(join(folder, "project"));
  user = join(folder, "user");
  await install(archive);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the package holds what is built from the sources, and the documents, and nothing that only we need", () => {
  const declared = filesBelow(join(root, "src")).map((path) => `dist/${path.endsWith(".ts") ? `${path.slice(0, -3)}.d.ts` : path}`);
  const shown = ["docs", "examples"].flatMap((folder) => filesBelow(join(root, folder)).map((path) => `${folder}/${path}`));
  const shared = packed.filter((path) => /^dist\/shared\/[\w-]+\.js$/.test(path));
  const code = [...entered, ...shared];
  const mapped = code.filter((path) => textOf(path).includes("sourceMappingURL")).map((path) => `${path}.map`);
  expect([...packed].sort()).toEqual([...declared, ...code, ...mapped, ...shown, ...present(...texts), "package.json"].sort());
  // A start that loads a file for each module takes twice the time.
  expect(shared.length).toBeLessThan(60);
});

test("a stack names the sources", async () => {
  const program = `import { stream } from "millrace"; stream("");`;
  const refused = await node("--enable-source-maps", "--input-type=module", "--eval", program).catch(String);
  expect(refused).toMatch(/ConfigError: .*[^]* at .*src\/computation\/stream\.ts:\d+:\d+/);
});

test("workers in processes of their own share one Redis", async () => {
  const server = await startRedis({ tcp: true });
  try {
    writeFileSync(join(user, "shared.mjs"), shared);
    await run(join(user, "node_modules/.bin/millrace"), ["run", "shared.mjs", "--workers", "2", "--no-http", "--store", server.url], user);
    const written = await node("--input-type=module", "--eval", readingTotals(server.url));
    expect(written.trim().split(" ").sort()).toEqual(["a-1", "a-2", "b-1"]);
  } finally {
    await server.stop();
  }
}, 60_000);

test("every entry point can be imported, and required", async () => {
  const list = JSON.stringify(doors);
  const all = doors.map(() => "true\n").join("");
  expect(await node("--input-type=module", "--eval", `for (const door of ${list}) console.log(Object.keys(await import(door)).length > 0)`)).toBe(all);
  expect(await node("--input-type=commonjs", "--eval", `for (const door of ${list}) console.log(Object.keys(require(door)).length > 0)`)).toBe(all);
});

test.each(Object.keys(manifest.bin))("the command %s answers", async (name) => {
  expect(await run(join(user, "node_modules/.bin", name), ["--help"])).toContain(`Usage: ${name}`);
});

test.each(compilers)(
  "a program type-checks with %s and runs",
  async (compiler) => {
    await run(process.execPath, [join(root, "node_modules", compiler, "bin/tsc"), "--project", user, "--outDir", join(user, compiler)]);
    expect(await node(join(compiler, "main.js"))).toBe("a 1, a 2, b 1\n");
  },
  90_000,
);

test("a peer that is not installed is named, with the line that installs it", async () => {
  writeFileSync(join(user, "peerless.mjs"), peerless);
  const refused = await run(join(user, "node_modules/.bin/millrace"), ["run", "peerless.mjs", "--store", "memory:", "--no-http"], user).catch(String);
  expect(refused).toContain("npm install bullmq");
  const untraced = await node("--input-type=module", "--eval", `import { openTelemetry } from "millrace/opentelemetry"; openTelemetry();`).catch(String);
  expect(untraced).toContain("npm install @opentelemetry/api");
});

test("a project that the command makes type-checks, tests and runs", async () => {
  const made = join(user, "made-by-init");
  const millrace = join(user, "node_modules/.bin/millrace");
  expect(await run(millrace, ["init", "made-by-init"], user)).toContain("next: cd made-by-init && npm install && npm test && npm start");
  const typeRoots = ["--typeRoots", join(root, "node_modules/@types")];
  await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "--project", made, ...typeRoots], made);
  expect(await run("npm", ["test"], made)).toMatch(/^(#|ℹ) pass 1$/m);
  await run(millrace, ["run", "pipeline.ts", "--no-http"], made);
  const counts = readFileSync(join(made, "counts.ndjson"), "utf8").trimEnd().split("\n");
  expect(counts.map((line) => JSON.parse(line) as unknown)).toContainEqual({ page: "/", minute: 1_767_225_600_000, visits: 3 });
  await expect(run(millrace, ["init", "made-by-init"], user)).rejects.toThrow("is not empty");
}, 120_000);

test("the quickstart's commands do what it says, the kill among them", async () => {
  const place = join(folder, "newcomer");
  mkdirSync(join(place, "bin"), { recursive: true });
  // The only thing that is not as it stands: what npm would fetch is there already.
  writeFileSync(
    join(place, "bin/npm"),
    `#!/bin/sh\n[ "$*" = "install millrace" ] && exec ln -s "${user}/node_modules" node_modules\nexec "${npmPath()}" "$@"\n`,
    { mode: 0o755 },
  );
  const steps = stepsOf(readFileSync(join(root, "docs/quickstart.md"), "utf8"));
  expect(steps.map(({ kind }) => kind)).toEqual(["sh", "ts", "sh", "sh", "sh", "sh", ""]);
  let cwd = place;
  let printed = "";
  for (const { kind, text } of steps) {
    if (kind === "ts") writeFileSync(join(cwd, "word-count.ts"), text);
    else if (kind === "") expect(printed).toBe(text);
    else {
      // Each block goes on in the directory in which the one before has ended.
      const script = `export PATH="${join(place, "bin")}:$PATH"\n${text}\npwd > "${join(place, "cwd")}"\n`;
      printed = await run("bash", ["-e", "-c", script], cwd);
      cwd = readFileSync(join(place, "cwd"), "utf8").trim();
    }
  }
}, 180_000);

/** The code blocks of a document: commands, files, and what the commands before them print. */
function stepsOf(document: string): readonly { readonly kind: string; readonly text: string }[] {
  return [...document.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, kind = "", text = ""]) => ({ kind, text }));
}

function npmPath(): string {
  const found = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((each) => join(each, "npm"))
    .find((each) => existsSync(each));
  if (found === undefined) throw new Error("there is no npm on PATH");
  return found;
}

/** Packs a copy of what the package is made from, so that nothing of the working folder's `dist` gets in. */
async function pack(project: string): Promise<string> {
  mkdirSync(project);
  for (const name of ["src", "docs", "examples", "scripts/bundle.mjs", "package.json", "tsconfig.json", "tsconfig.build.json", ...present(...texts)]) {
    cpSync(join(root, name), join(project, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(project, "node_modules"));
  await run("npm", ["pack", "--pack-destination", folder], project);
  const archive = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (archive === undefined) throw new Error("npm pack made no archive");
  const listed = await run("tar", ["-tzf", join(folder, archive)]);
  packed = listed
    .trim()
    .split("\n")
    .map((path) => path.replace(/^package\//, ""));
  return archive;
}

/** Makes the empty project and installs the archive into it, without any script of any package. */
async function install(archive: string): Promise<void> {
  mkdirSync(user);
  const dependencies = { [manifest.name]: `file:../${archive}` };
  const ours = Object.entries((JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { packages: Record<string, LockEntry> }).packages);
  const theirs = Object.fromEntries(ours.filter(([path, { dev }]) => path !== "" && dev !== true));
  const own = { version: manifest.version, resolved: dependencies[manifest.name], dependencies: manifest.dependencies, bin: manifest.bin };
  write("package.json", { name: "user", version: "1.0.0", type: "module", dependencies });
  write("package-lock.json", {
    name: "user",
    version: "1.0.0",
    lockfileVersion: 3,
    requires: true,
    packages: { "": { name: "user", version: "1.0.0", dependencies }, [`node_modules/${manifest.name}`]: own, ...theirs },
  });
  write("tsconfig.json", {
    compilerOptions: {
      target: "es2023",
      module: "nodenext",
      strict: true,
      exactOptionalPropertyTypes: true,
      types: ["node"],
      typeRoots: [join(root, "node_modules/@types")],
    },
    files: ["main.ts"],
  });
  writeFileSync(join(user, "main.ts"), program);
  await run("npm", ["ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"], user);
}

const peerless = `
import { Pipeline, stream, toConsole } from "millrace";
import { fromBullMq } from "millrace/bullmq";
const jobs = stream("jobs");
export default new Pipeline("peerless").inject("jobs", jobs, fromBullMq("jobs", { connection: { host: "127.0.0.1", port: 1 } })).sink("seen", jobs, toConsole());
`;

/** Counts words, and appends the totals to a stream of the store. */
const shared = `
import { Computation, fromIterable, input, output, Pipeline, state, stream } from "millrace";
import { toRedisStream } from "millrace/redis-streams";

const words = stream("words");
const totals = stream("totals");
class Counter extends Computation {
  words = input(words, { key: (word) => word });
  totals = output(totals);
  count = state("count", { initial: 0 });
  processRecord({ value }, context) {
    context.state(this.count).update((count) => count + 1);
    context.produce(this.totals, value + "-" + context.state(this.count).get());
  }
}
const text = ["a", "b", "a"];
export default new Pipeline("shared", { shards: 4 })
  .inject("text", words, fromIterable((position) => text.map((value, index) => ({ value, position: index, timestamp: index })).slice((position ?? -1) + 1)))
  .compute("counter", Counter)
  .sink("totals", totals, toRedisStream("totals"));
`;

const readingTotals = (url: string): string => `
import { Redis } from "ioredis";
const redis = new Redis("${url}");
console.log((await redis.xrange("totals", "-", "+")).map(([, fields]) => JSON.parse(fields[fields.indexOf("value") + 1])).join(" "));
redis.disconnect();
`;

/** Counts words on a store in memory, and says so for each. */
const program = `
import { Computation, fromIterable, input, MemoryStore, output, Pipeline, run, state, stream, toCallback, type Context, type StreamRecord } from "millrace";

const words = stream<string>("words");
const counts = stream<{ word: string; count: number }>("counts");

class Counter extends Computation {
  readonly words = input(words, { key: (word) => word });
  readonly counts = output(counts);
  readonly count = state("count", { initial: 0 });

  processRecord(record: StreamRecord<string>, context: Context): void {
    context.state(this.count).update((count) => count + 1);
    context.produce(this.counts, { word: record.value, count: context.state(this.count).get() });
  }
}

const text = ["a", "b", "a"];
const seen: string[] = [];
const pipeline = new Pipeline("word-count")
  .inject("text", words, fromIterable((position: number | undefined) => text.map((value, index) => ({ value, position: index, timestamp: index })).slice((position ?? -1) + 1)))
  .compute("counter", Counter)
  .sink("lines", counts, toCallback(({ value }) => { seen.push(\`\${value.word} \${value.count}\`); }));

const running = await run(pipeline, { store: new MemoryStore() });
await running.finished;
await running.stop();
console.log(seen.sort().join(", "));
`;

/** Of a file of the package. */
function textOf(path: string): string {
  return readFileSync(join(user, "node_modules", manifest.name, path), "utf8");
}

function present(...names: readonly string[]): string[] {
  return names.filter((name) => existsSync(join(root, name)));
}

function filesBelow(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1));
}

function write(name: string, value: unknown): void {
  writeFileSync(join(user, name), JSON.stringify(value, null, 2));
}

function node(...args: readonly string[]): Promise<string> {
  return run(process.execPath, args);
}

/** Standard output of a command; one that fails tells what it printed. */
async function run(command: string, args: readonly string[], cwd: string = user): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, { cwd: cwd === "" ? folder : cwd, maxBuffer: 1 << 26 });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(" ")} failed\n${stdout}${stderr}`, { cause: error });
  }
}
