/** What every injector owes the engine (`injectors/injector.ts`), as checks that anyone can run on theirs. */
import { systemClock } from "../../clock.ts";
import { cbor, decodeStored, encodePlain } from "../../computation/cbor-codec.ts";
import { type Injector, sink } from "../../computation/edges.ts";
import { Pipeline } from "../../computation/pipeline.ts";
import { stream } from "../../computation/stream.ts";
import type { ItemFate, SourceItem, SourceReader } from "../../injectors/injector.ts";
import { Tap } from "../recorded-edges.ts";
import { checksOn, type ConnectorCheck, demand, difference } from "./check.ts";
import { Crash, pause, runWithCrash, within } from "./crashing.ts";

/** One outside, made anew for each check, and the injector under test. */
export interface InjectorHarness<T> {
  /** An injector that reads this outside. Called anew at each start, as a new process would. */
  readonly injector: () => Injector<T>;
  /** Puts `count` more records outside, and gives what each is known by, in order. */
  readonly fill: (count: number) => Promise<readonly string[]>;
  /** What a value is known by. */
  readonly identify: (value: T) => string;
  /** Do records come in the order in which they were filled in? Default: true. */
  readonly ordered?: boolean;
  /** Takes the outside down after the check. */
  readonly close?: () => Promise<void>;
}

const RECORDS = 12;
/** Calls of the connector at which a worker is killed, at most. */
const CRASHES = 10;
const POSITION_BYTES = 512;
const PATIENCE = 5_000;
/** ms in which nothing more may come of what was there. */
const QUIET = 60;

/**
 * Checks of an injector: that every record comes once, in order, from any position, and over a crash at any call; that a
 * waiting read ends with its signal; that positions can be stored. `setup` is called for each check.
 */
export function injectorChecks<T>(setup: () => Promise<InjectorHarness<T>>): readonly ConnectorCheck[] {
  const check = checksOn(setup);
  return [
    check("what is there comes once and in order, and so does what is put there later", comesOnce),
    check("a reader opened at any item's position goes on right after it", goesOn),
    check("positions are plain data of a few hundred bytes", positionsArePlain),
    check("a read that waits ends when its signal is aborted", endsWithSignal),
    check("a reader is closed, while it reads and twice, without harm", closes),
    check("what was read and not committed comes again", comesAgain),
    check("every record comes once, though the worker dies at any call", survivesCrashes),
  ];
}

/** A reader that reads as the engine does. */
class Reading {
  readonly #abort = new AbortController();
  readonly #reader: SourceReader;
  readonly #confirms: boolean;

  private constructor(reader: SourceReader, confirms: boolean, abort: AbortController) {
    this.#reader = reader;
    this.#confirms = confirms;
    this.#abort = abort;
  }

  static async open<T>(harness: InjectorHarness<T>, position?: unknown): Promise<Reading> {
    const source = harness.injector();
    const abort = new AbortController();
    const opened = source.open({ partition: 0, signal: abort.signal, clock: systemClock, warn: () => {} }, position);
    const reader = await within(PATIENCE, opened, () => "open did not settle");
    return new Reading(reader, source.confirms === true, abort);
  }

  /** Reads until there are `count` values, and confirms them where the source wants that. */
  async read(count: number, confirm = true): Promise<SourceItem[]> {
    const values: SourceItem[] = [];
    while (values.length < count) {
      const pulled = await within(PATIENCE, this.#reader.pull(count - values.length), () => `${count} records are there, and after ${values.length} none came`);
      demand(pulled.items.length <= count - values.length, () => `a read gave ${pulled.items.length} items, more than the ${count - values.length} asked for`);
      const items = pulled.items.filter((item) => item.mark !== true);
      values.push(...items);
      if (this.#confirms && confirm) this.#reader.confirm?.(items.map((): ItemFate => ({ kind: "injected", id: "", timestamp: 0 })));
      demand(!pulled.done || values.length >= count, () => `the source said that it has ended after ${values.length} of ${count} records`);
    }
    return values;
  }

  pull(): Promise<unknown> {
    return this.#reader.pull(10);
  }
  abort(): void {
    this.#abort.abort();
  }
  async close(): Promise<void> {
    this.#abort.abort();
    await within(PATIENCE, this.#reader.close(), () => "close did not settle");
  }
}

function expectSame<T>(harness: InjectorHarness<T>, expected: readonly string[], items: readonly SourceItem[], where: string): void {
  const found = items.map((item) => harness.identify(item.value as T));
  const differs = difference(expected, found, harness.ordered ?? true);
  demand(differs === undefined, () => `${where}: ${differs}`);
}

async function comesOnce<T>(harness: InjectorHarness<T>): Promise<void> {
  const first = await harness.fill(RECORDS);
  const reading = await Reading.open(harness);
  expectSame(harness, first, await reading.read(RECORDS), "what was there when it was opened");
  const more = await harness.fill(3);
  // A source that has ended for good, such as a file that is not followed, is read on by a new reader only.
  const rest = await reading.read(3).catch(() => undefined);
  if (rest !== undefined) expectSame(harness, more, rest, "what came later");
  await reading.close();
}

async function goesOn<T>(harness: InjectorHarness<T>): Promise<void> {
  const expected = await harness.fill(RECORDS);
  const reading = await Reading.open(harness);
  const items = await reading.read(RECORDS, false);
  await reading.close();
  if (harness.injector().confirms === true) return;
  for (const i of [0, 1, RECORDS >> 1, RECORDS - 2]) {
    const again = await Reading.open(harness, items[i]?.position);
    expectSame(harness, expected.slice(i + 1), await again.read(RECORDS - 1 - i), `opened after record ${i + 1} of ${RECORDS}`);
    await again.close();
  }
}

async function positionsArePlain<T>(harness: InjectorHarness<T>): Promise<void> {
  await harness.fill(3);
  const reading = await Reading.open(harness);
  const [, item] = await reading.read(3);
  await reading.close();
  const bytes = encodePlain(item?.position);
  demand(bytes.length <= POSITION_BYTES, () => `a position takes ${bytes.length} bytes, more than ${POSITION_BYTES}: it is stored with every commit`);
  const again = encodePlain(decodeStored(bytes, "a position"));
  demand(Buffer.compare(bytes, again) === 0, () => "a position is not the same after it was stored: keep plain data");
}

async function endsWithSignal<T>(harness: InjectorHarness<T>): Promise<void> {
  const reading = await Reading.open(harness);
  const pulled = reading.pull();
  pulled.catch(() => {});
  await pause(QUIET);
  reading.abort();
  await within(
    PATIENCE,
    Promise.resolve(pulled).catch(() => undefined),
    () => "a read that waited did not end though its signal was aborted",
  );
  await reading.close();
}

async function closes<T>(harness: InjectorHarness<T>): Promise<void> {
  await harness.fill(2);
  const reading = await Reading.open(harness);
  const pulled = reading.pull();
  pulled.catch(() => {});
  await reading.close();
  await reading.close();
}

async function comesAgain<T>(harness: InjectorHarness<T>): Promise<void> {
  const expected = await harness.fill(RECORDS);
  const reading = await Reading.open(harness);
  const before = await reading.read(RECORDS >> 1, false);
  await reading.close();
  const again = await Reading.open(harness);
  const items = await again.read(RECORDS);
  expectSame(harness, expected, items, "read again from the beginning");
  if (harness.injector().id === "item") {
    const ids = new Map(items.map((item) => [harness.identify(item.value as T), item.id]));
    for (const item of before) {
      const id = ids.get(harness.identify(item.value as T));
      demand(item.id === id, () => `a record came with the id ${item.id}, and again with ${id}: it would be two records`);
    }
  }
  await again.close();
}

async function survivesCrashes<T>(harness: InjectorHarness<T>): Promise<void> {
  const expected: string[] = [];
  const values = stream<T>("values", { codec: cbor<T>() });
  const tap = new Tap("values");
  let calls = CRASHES;
  for (let at = 0; at <= Math.min(calls, CRASHES); at++) {
    for (const when of ["before", "after"] as const) {
      expected.push(...(await harness.fill(RECORDS)));
      const crash = new Crash(at, when);
      const pipeline = () =>
        new Pipeline("conformance", { shards: 1 }).inject("source", values, counted(harness.injector(), crash)).sink("tap", values, sink<T>(tap));
      tap.records.length = 0;
      const found = () => tap.records.map((record) => harness.identify(record.value as T));
      const missing = () => difference(expectedOf(), found(), false) ?? "";
      const expectedOf = () => (harness.injector().confirms === true ? expected.slice(-RECORDS) : expected);
      await runWithCrash(pipeline, crash, () => found().length >= expectedOf().length, missing);
      await pause(QUIET);
      const differs = difference(expectedOf(), found(), harness.ordered ?? true);
      demand(differs === undefined, () => `${crash.text}: ${differs}`);
      if (at === 0) calls = crash.calls;
    }
  }
}

/** The same injector, with every call told to `crash`. */
function counted<T>(original: Injector<T>, crash: Crash): Injector<T> {
  return {
    ...original,
    open: async (context, position) => {
      const reader = await crash.around(async () => {
        const opened = await original.open(context, position);
        crash.holds(() => opened.close());
        return opened;
      });
      return {
        pull: (max: number) => crash.around(() => reader.pull(max)),
        confirm: (fates: readonly ItemFate[]) => reader.confirm?.(fates),
        close: () => reader.close(),
      };
    },
  } as Injector<T>;
}
