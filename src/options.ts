/**
 * Options as users give them, at every door of the library, those of the stores included. It does not know what any of
 * them means, nor handles: `computation/checks.ts` does.
 */
import { ConfigError } from "./errors.ts";

/** Any value, for a message: short, and never a reason to throw. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
  if (typeof value === "function") return isClass(value) ? `class ${value.name || "(anonymous)"}` : `function ${value.name || "(anonymous)"}`;
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === "string" && name !== "" && name !== "Object" ? `a ${name}` : "an object";
}

export function isClass(value: unknown): boolean {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}

/** Options are an object with known keys alone: a misspelt one would otherwise be a default in silence. */
export function checkOptions(where: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new ConfigError(`${where}: options are an object with ${known.join(", ")}, but they are ${show(options)}`);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw new ConfigError(`${where}: there is no option ${show(key)}; there are ${known.join(", ")}`);
  }
}
