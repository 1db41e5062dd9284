/** The project's own text files, for tests about the repository itself: read from the folder, so that no git is needed. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

export interface ProjectFile {
  /** From the root of the project, with `/`. */
  readonly path: string;
  readonly text: string;
}

export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/** What tools and programs make, and what is not ours. */
const made = (folder: string): boolean => ["node_modules", "dist", "coverage", "data"].includes(folder) || (folder.startsWith(".") && folder !== ".ci");
const TEXT = /\.(ts|mts|mjs|lua|md|json|yml|service)$|^(run|LICENSE|Dockerfile|\.[a-z]+)$/;

function walk(folder: string): ProjectFile[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return made(entry.name) ? [] : walk(path);
    // In a further work tree of git, `.git` is a file.
    if (!entry.isFile() || entry.name === ".git" || !TEXT.test(entry.name)) return [];
    return [{ path: relative(root, path).replaceAll(sep, "/"), text: readFileSync(path, "utf8") }];
  });
}

/** Every text file of the project but the lock. */
export const files: readonly ProjectFile[] = walk(root).filter(({ path }) => path !== "package-lock.json");

/** Files below one of these folders, whose names end so. */
export function filesIn(folders: readonly string[], ...endings: readonly string[]): ProjectFile[] {
  return files.filter(({ path }) => folders.some((folder) => path.startsWith(`${folder}/`)) && endings.some((ending) => path.endsWith(ending)));
}

/** Where `pattern` (with its flag g) stands, one "path:line: what was found" for each place, with `advice` after it. */
export function placesOf({ path, text }: ProjectFile, pattern: RegExp, advice: string): string[] {
  return [...text.matchAll(pattern)].map((match) => `${path}:${lineOf(text, match.index)}: ${JSON.stringify(match[0].trim())}: ${advice}`);
}

export function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** The text with every comment blanked out, line by line; strings stay. For TypeScript as this project writes it. */
export function withoutComments(file: ProjectFile): ProjectFile {
  const blank = (comment: string) => comment.replace(/[^\n]/g, " ");
  return { path: file.path, text: file.text.replace(/\/\*[\s\S]*?\*\//g, blank).replace(/(?<=^|[\s;{}(),])\/\/.*$/gm, blank) };
}
