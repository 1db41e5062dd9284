/**
 * Adds to package-lock.json the optional packages that npm left out of it: run it after every `npm install` that
 * changed the lock (`npm run lock:complete`). With `--check` it only tells, as `test/repo/tidy.test.ts` does.
 *
 * Why: native packages come as one optional package for each platform. npm writes those into the lock that the
 * registry at hand could give it, but `npm ci` of npm 11 refuses a lock in which one is absent, whatever the platform.
 * An entry needs no integrity: npm looks the package up where the platform fits, and goes on without it if it fails.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const processors = ["arm", "arm64", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64"];

/** Where Node would find `name` from the package at `path`: the path in the lock, or undefined. */
function resolve(packages, path, name) {
  for (let from = path; ; from = from.slice(0, Math.max(from.lastIndexOf("/node_modules/"), 0))) {
    const candidate = `${from === "" ? "" : `${from}/`}node_modules/${name}`;
    if (packages[candidate] !== undefined) return candidate;
    if (from === "") return undefined;
  }
}

/** Optional packages that the lock lacks, with the package that wants them. */
function missingOptionals(lock) {
  return Object.entries(lock.packages).flatMap(([path, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => resolve(lock.packages, path, name) === undefined)
      .map(([name, range]) => ({ name, range, parent: path, dev: entry.dev === true })),
  );
}

/** The platform stands in the name: `@scope/tool-linux-x64-musl`. */
function entryFor({ name, range, dev }) {
  if (!/^\d+\.\d+\.\d+/.test(range)) throw new Error(`${name} is wanted as "${range}", not as one version: add it to package-lock.json by hand.`);
  const words = name.split(/[/-]/);
  const system = words.find((word) => systems.includes(word));
  const processor = words.find((word) => processors.includes(word));
  if (system === undefined || processor === undefined) throw new Error(`The name ${name} does not tell its platform: add it to package-lock.json by hand.`);
  const libc = words.some((word) => word.startsWith("musl")) ? ["musl"] : words.some((word) => word.startsWith("gnu")) ? ["glibc"] : undefined;
  return { version: range, cpu: [processor], ...(dev ? { dev } : {}), ...(libc ? { libc } : {}), optional: true, os: [system] };
}

const path = fileURLToPath(new URL("../package-lock.json", import.meta.url));
const lock = JSON.parse(readFileSync(path, "utf8"));
const missing = missingOptionals(lock);
if (process.argv.includes("--check")) {
  for (const { name, parent } of missing) console.log(`package-lock.json lacks ${name}, optional for ${parent}: npm run lock:complete`);
  process.exitCode = missing.length === 0 ? 0 : 1;
} else {
  for (const optional of missing) lock.packages[`node_modules/${optional.name}`] = entryFor(optional);
  const [own, ...rest] = Object.entries(lock.packages);
  lock.packages = Object.fromEntries([own, ...rest.sort(([a], [b]) => a.localeCompare(b, "en"))]);
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`package-lock.json: ${missing.length} optional packages added.`);
}
