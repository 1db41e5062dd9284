/**
 * Where the programs of peers are: their sources in this repository, and what was fetched for them in `.peers/`, which
 * git ignores. A jar is used only if its SHA-256 is the one in the repository.
 */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { finished } from "./processes.ts";

/** The root of the project, from its sources as from what is built of them. */
const root = ((): string => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, "bench", "peers", "millrace", "README.md"))) return folder;
  }
  throw new Error("benchmarks of peers run in the repository: bench/peers is not above this file");
})();

/** A source of a peer that is not TypeScript. */
export const sourceOf = (peer: string, file: string): string => join(root, "bench", "peers", peer, file);
/** A folder of the cache. */
export const cacheOf = (peer: string): string => join(root, ".peers", peer);
/** A program of the peers, built: "millrace/worker". */
export const program = (name: string): string => join(root, ".build", "bench", "peers", `${name}.js`);

/** The class path of a peer: the jars that its pom.xml names, and the classes of its own sources, compiled here. */
export async function javaPeer(peer: string, sources: readonly string[]): Promise<string> {
  const jars = join(cacheOf(peer), "jars");
  mkdirSync(jars, { recursive: true });
  const pinned = new Map(
    readFileSync(sourceOf(peer, "checksums.txt"), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/).toReversed() as [string, string]),
  );
  if ([...pinned.keys()].some((jar) => !existsSync(join(jars, jar)))) {
    const goals = ["dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${jars}`];
    await finished("mvn", "mvn", ["-q", "-B", "-f", sourceOf(peer, "pom.xml"), ...goals]);
  }
  for (const jar of readdirSync(jars)) {
    const sum = createHash("sha256")
      .update(readFileSync(join(jars, jar)))
      .digest("hex");
    if (pinned.get(jar) !== sum) throw new Error(`${jar} of ${peer} is not the one in checksums.txt: delete ${jars} and fetch anew`);
  }
  const classes = join(cacheOf(peer), "classes");
  rmSync(classes, { recursive: true, force: true });
  mkdirSync(classes, { recursive: true });
  const path = `${classes}:${[...pinned.keys()].map((jar) => join(jars, jar)).join(":")}`;
  await finished("javac", "javac", ["-d", classes, "-cp", path, ...sources]);
  return path;
}

/** A folder in which the packages of a peer's lock are installed, with further files of it beside them. */
export async function npmPeer(peer: string, files: readonly string[]): Promise<string> {
  const folder = cacheOf(peer);
  mkdirSync(folder, { recursive: true });
  const lock = readFileSync(sourceOf(peer, "package-lock.json"), "utf8");
  const stamp = join(folder, "installed-lock.json");
  for (const file of ["package.json", "package-lock.json", ...files]) copyFileSync(sourceOf(peer, file), join(folder, file));
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
    await finished("npm", "npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder });
    writeFileSync(stamp, lock);
  }
  return folder;
}
