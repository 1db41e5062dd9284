/**
 * The files that a pipeline's code is in: its own file, and what that imports by a relative path, and so on. They are found
 * by reading them, not by running them, so they are known while they do not compile, too.
 *
 * F1  A file counts as changed once its text differs and has stood still for one look: half of a write is no change.
 * F2  A path that is imported and not there is looked at as well: whoever makes the file has changed the code.
 */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";

/** `from "./a"`, `import "./a"`, `import("./a")`, `require("./a")`; one in a comment costs a look at a file more. */
const SPECIFIER = /(?:\bfrom|\bimport|\brequire)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g;
const EXTENSIONS = ["", ".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"];
/** Written in TypeScript for the file that it compiles to. */
const COMPILED: Readonly<Record<string, string>> = { ".js": ".ts", ".mjs": ".mts", ".cjs": ".cts" };

export class ProjectFiles {
  readonly #main: string;
  /** Path to digest; undefined: it is not there. */
  #known: ReadonlyMap<string, string | undefined>;
  #looked = "";
  #settled = "";

  constructor(file: string) {
    this.#main = resolve(file);
    this.#known = reachable(this.#main);
    this.#looked = this.#settled = this.#look();
  }

  /** Files that are there. */
  get count(): number {
    return [...this.#known.values()].filter((digest) => digest !== undefined).length;
  }

  /** The names of those that have changed since the last call that gave any; none: nothing has, or one is being written. */
  changed(): readonly string[] {
    const looks = this.#look();
    const still = looks === this.#looked;
    this.#looked = looks;
    if (!still || looks === this.#settled) return [];
    const before = this.#known;
    this.#known = reachable(this.#main);
    this.#looked = this.#settled = this.#look();
    const paths = [...this.#known.keys()].filter((path) => before.get(path) !== this.#known.get(path));
    return paths.map((path) => basename(path));
  }

  /** What can be seen of them without reading. */
  #look(): string {
    return [...this.#known.keys()]
      .map((path) => {
        const found = statSync(path, { throwIfNoEntry: false });
        return found === undefined ? "" : `${found.ino} ${found.size} ${found.mtimeMs}`;
      })
      .join("\n");
  }
}

function reachable(main: string): ReadonlyMap<string, string | undefined> {
  const digests = new Map<string, string | undefined>();
  const ahead = [main];
  for (let path = ahead.pop(); path !== undefined; path = ahead.pop()) {
    if (digests.has(path)) continue;
    const text = textOf(path);
    digests.set(path, text === undefined ? undefined : createHash("sha256").update(text).digest("hex"));
    for (const [, specifier = ""] of text?.matchAll(SPECIFIER) ?? []) ahead.push(...resolved(resolve(dirname(path), specifier)));
  }
  return digests;
}

/** The file that an import means, or all that it could mean where none of them is there. */
function resolved(path: string): readonly string[] {
  const extension = /\.[mc]?js$/.exec(path)?.[0] ?? "";
  const candidates = EXTENSIONS.map((each) => path + each);
  if (COMPILED[extension] !== undefined) candidates.push(path.slice(0, -extension.length) + COMPILED[extension]);
  candidates.push(...EXTENSIONS.slice(1).map((each) => resolve(path, `index${each}`)));
  const found = candidates.find((each) => statSync(each, { throwIfNoEntry: false })?.isFile() === true);
  return found === undefined ? candidates.slice(0, 2) : [found];
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
