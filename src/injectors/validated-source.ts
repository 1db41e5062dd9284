/**
 * What is asked of an injector's schema: reads a source, and gives its items with the values that the schema made of them.
 * What it refuses becomes an item that could not be read, so the engine needs to know nothing of schemas.
 *
 * V1  Items keep their order, positions, ids and marks; each is given once, valid or not.
 * V2  A schema that throws, rejects or does not answer refuses the value. It never stops the source.
 */
import { inspect } from "node:util";
import type { Clock } from "../clock.ts";
import { type Schema, validate, type Validated } from "../computation/schema.ts";
import type { InjectorSource, ItemFate, Pulled, SourceContext, SourceItem, SourceReader } from "./injector.ts";

/** ms that an asynchronous schema may take for a value. */
export const VALIDATION_MS = 30_000;

/** Opens the source; its items are those that its schema, if it has one, lets through. */
export async function openSource(source: InjectorSource, context: SourceContext, position: unknown): Promise<SourceReader> {
  const reader = await source.open(context, position);
  return source.schema === undefined || source.validatesItself === true ? reader : new ValidatedReader(reader, source.schema, context);
}

/** What the schema says, or, after VALIDATION_MS, that it says nothing. A promise only where the schema gives one. */
export function validateInTime(schema: Schema<unknown>, value: unknown, clock: Clock): Validated | Promise<Validated> {
  const validated = validate(schema, value);
  if (!(validated instanceof Promise)) return validated;
  return new Promise<Validated>((resolve) => {
    const cancel = clock.after(VALIDATION_MS, () => resolve({ refused: `the schema has not answered for ${VALIDATION_MS / 1_000} s` }));
    void validated.then((outcome) => {
      cancel();
      resolve(outcome);
    });
  });
}

export class ValidatedReader implements SourceReader {
  readonly #reader: SourceReader;
  readonly #schema: Schema<unknown>;
  readonly #context: SourceContext;
  #validating = false;

  constructor(reader: SourceReader, schema: Schema<unknown>, context: SourceContext) {
    this.#reader = reader;
    this.#schema = schema;
    this.#context = context;
  }

  async pull(max: number): Promise<Pulled> {
    const { items, done } = await this.#reader.pull(max);
    const validated = items.map((item) => this.#validated(item));
    if (!validated.some((each) => each instanceof Promise)) return { items: validated as SourceItem[], done };
    this.#validating = true;
    const settled = await this.#settled(validated);
    this.#validating = false;
    return settled === undefined ? { items: [], done: false } : { items: settled, done };
  }

  /** Does a schema have yet to answer? */
  get validating(): boolean {
    return this.#validating;
  }

  confirm(fates: readonly ItemFate[]): void {
    this.#reader.confirm?.(fates);
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  #validated(item: SourceItem): SourceItem | Promise<SourceItem> {
    if (item.mark === true || item.failure !== undefined) return item;
    const validated = validateInTime(this.#schema, item.value, this.#context.clock);
    return validated instanceof Promise ? validated.then((outcome) => itemOf(item, outcome)) : itemOf(item, validated);
  }

  /** undefined: the worker stops, or has lost the shard, before all are validated. Nothing of them is lost: they are read again. */
  #settled(items: readonly (SourceItem | Promise<SourceItem>)[]): Promise<readonly SourceItem[] | undefined> {
    const { signal } = this.#context;
    return new Promise((resolve) => {
      const abort = () => resolve(undefined);
      if (signal.aborted) abort();
      signal.addEventListener("abort", abort, { once: true });
      void Promise.all(items.map(async (item) => item)).then((settled) => {
        signal.removeEventListener("abort", abort);
        resolve(settled);
      });
    });
  }
}

function itemOf(item: SourceItem, outcome: Validated): SourceItem {
  return "refused" in outcome
    ? { ...item, value: textOf(item.value), failure: `the schema refuses the value: ${outcome.refused}` }
    : { ...item, value: outcome.value };
}

/** The value for people, as it came. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value) ?? inspect(value);
  } catch {
    return inspect(value);
  }
}
