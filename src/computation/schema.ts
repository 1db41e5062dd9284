/**
 * Schemas, in the one form that zod, valibot, arktype and others share (Standard Schema, version 1), and what they say of a
 * value. It imports none of them, and does not know where a schema is asked: streams do before they carry a value,
 * injectors before there is a record.
 */
import { ConfigError, messageOf } from "../errors.ts";
import { show } from "./checks.ts";

/** Any Standard Schema whose output is T. Where it may validate asynchronously, and where its output is taken, says the option that takes it. */
export interface Schema<T> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
    readonly validate: (value: unknown) => unknown;
  };
}

/** `value`: the schema's output, which may differ from what it was given. */
export type Validated = { readonly value: unknown } | { readonly refused: string };

interface Issue {
  readonly message: string;
  readonly path?: readonly unknown[] | undefined;
}

/** Issues that a reason names, and the letters that it may have. */
const NAMED_ISSUES = 5;
const REASON_LENGTH = 1_000;

/** A `ConfigError` that says what `schema` is, if it is no Standard Schema. */
export function checkSchema(where: string, schema: Schema<unknown> | undefined): void {
  if (schema === undefined || typeof schema?.["~standard"]?.validate === "function") return;
  throw new ConfigError(`${where}: schema is a Standard Schema (zod, valibot, arktype, ...), but it is ${show(schema)}`);
}

/** Never throws: a schema that does refuses the value. A promise only where the schema gives one. */
export function validate(schema: Schema<unknown>, value: unknown): Validated | Promise<Validated> {
  try {
    const result = schema["~standard"].validate(value);
    return isPromiseLike(result) ? Promise.resolve(result).then(outcomeOf, failed) : outcomeOf(result);
  } catch (error) {
    return failed(error);
  }
}

function outcomeOf(result: unknown): Validated {
  if (typeof result !== "object" || result === null) return { refused: `the schema gave ${show(result)} where { value } or { issues } is expected` };
  const { issues, value } = result as { readonly issues?: readonly Issue[] | undefined; readonly value?: unknown };
  return issues === undefined ? { value } : { refused: issuesText(issues) };
}

function failed(error: unknown): Validated {
  return { refused: `the schema failed: ${messageOf(error)}` };
}

/** "user.age: Expected number; tags.0: ...; and 3 more": each with the path of what it is about. */
function issuesText(issues: readonly Issue[]): string {
  const named = issues.slice(0, NAMED_ISSUES).map(({ message, path = [] }) => (path.length === 0 ? message : `${path.map(segmentText).join(".")}: ${message}`));
  const others = issues.length > NAMED_ISSUES ? [`and ${issues.length - NAMED_ISSUES} more`] : [];
  return [...named, ...others].join("; ").slice(0, REASON_LENGTH) || "the schema gave no reason";
}

/** A segment is a key, or an object that holds it. */
function segmentText(segment: unknown): string {
  return String(typeof segment === "object" && segment !== null && "key" in segment ? segment.key : segment);
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof (Object(value) as { readonly then?: unknown }).then === "function";
}
