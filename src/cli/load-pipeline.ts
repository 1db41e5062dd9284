/**
 * Loads a user's file and finds the pipeline in it. JavaScript is imported; TypeScript goes through jiti, which needs no
 * build step. Types are not checked.
 */
import { statSync } from "node:fs";
import { extname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isPipeline, type Pipeline } from "../computation/pipeline.ts";
import { messageOf } from "../errors.ts";
import { UsageError } from "./exit.ts";

const SCRIPT = [".js", ".mjs", ".cjs"];
const TYPED = [".ts", ".mts", ".cts"];

/** The default export of the file, or the one named `pipeline`. Throws `UsageError` with what to do. */
export async function loadPipeline(file: string): Promise<Pipeline> {
  const path = resolve(file);
  const extension = extname(path);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) throw new UsageError(`${file} is a directory: give the file in it that exports the pipeline`);
  if (found?.isFile() !== true) throw new UsageError(`there is no file ${file}`);
  if (![...SCRIPT, ...TYPED].includes(extension)) throw new UsageError(`${file}: a pipeline is in a file that ends in ${[...TYPED, ...SCRIPT].join(", ")}`);
  let exported: object;
  try {
    exported = TYPED.includes(extension) ? await importTyped(path) : ((await import(pathToFileURL(path).href)) as object);
  } catch (error) {
    throw new UsageError(`${file} could not be loaded: ${messageOf(error)}${placeOf(error)}`, { cause: error });
  }
  return pipelineIn(exported, file);
}

/** jiti takes longer to load than most commands take. */
async function importTyped(path: string): Promise<object> {
  const { createJiti } = await import("jiti");
  return await createJiti(import.meta.url).import<object>(path);
}

function pipelineIn(exported: object, file: string): Pipeline {
  const candidates = new Map(Object.entries(exported));
  const main = candidates.get("default");
  // What a CommonJS file exports is the default export of its import.
  if (typeof main === "object" && main !== null && !isPipeline(main)) for (const [name, value] of Object.entries(main)) candidates.set(name, value);
  for (const found of [candidates.get("default"), candidates.get("pipeline")]) if (isPipeline(found)) return found;
  const names = [...candidates].filter(([, value]) => isPipeline(value)).map(([name]) => name);
  if (names.length > 0) throw new UsageError(`${file} exports a pipeline as ${names.join(", ")}: export it as default, as in export default new Pipeline(...)`);
  throw new UsageError(`${file} exports no pipeline: it needs export default new Pipeline(...)`);
}

/** Where in the user's own code it was thrown, for an import that fails tells nothing else. */
function placeOf(error: unknown): string {
  const frames = error instanceof Error ? (error.stack ?? "").split("\n") : [];
  const frame = frames.find((line) => /^\s+at .*:\d+:\d+\)?$/.test(line) && !/node:|node_modules/.test(line));
  const place = frame === undefined ? undefined : /(?<path>(?:file:\/\/|\/|[A-Z]:\\).*?):(?<line>\d+):\d+\)?$/.exec(frame)?.groups;
  if (place?.["path"] === undefined) return "";
  const path = place["path"].startsWith("file:") ? fileURLToPath(place["path"]) : place["path"];
  return `\n  at ${path}:${place["line"]}`;
}
