/** What every sink owes the engine (`sinks/sink.ts`), as checks that anyone can run on theirs. */
import { cbor } from "../../computation/cbor-codec.ts";
import type { Sink } from "../../computation/edges.ts";
import { Pipeline } from "../../computation/pipeline.ts";
import { stream } from "../../computation/stream.ts";
import type { StreamRecord } from "../../record.ts";
import { fromIterable } from "../../injectors/from-iterable.ts";
import type { SinkWriter } from "../../sinks/sink.ts";
import { checksOn, type ConnectorCheck, demand, difference } from "./check.ts";
import { Crash, pause, runWithCrash } from "./crashing.ts";

/** One outside, made anew for each check, and the sink under test. */
export interface SinkHarness<T> {
  /** A sink that writes to this outside. Called anew at each start, as a new process would. */
  readonly sink: () => Sink<T>;
  /** The `i`th value to write; all differ. */
  readonly value: (i: number) => T;
  /** What a value is known by. */
  readonly identify: (value: T) => string;
  /** What is outside now, in order. */
  readonly read: () => Promise<readonly string[]>;
  /** What the sink promises. */
  readonly guarantee: "exactly once" | "at least once";
  /** Takes the outside down after the check. */
  readonly close?: () => Promise<void>;
}

const RECORDS = 12;
const CRASHES = 12;
/** ms in which nothing more may come of what was written. */
const QUIET = 60;

/**
 * Checks of a sink: that every record is outside once (or at least once, where it promises no more), in order, over a
 * crash at any call, and that what was there before stays. `setup` is called for each check.
 */
export function sinkChecks<T>(setup: () => Promise<SinkHarness<T>>): readonly ConnectorCheck[] {
  const check = checksOn(setup);
  return [
    check("records are outside once and in order", async (harness) => {
      await write(harness, 0, RECORDS, new Crash(0, "before"));
    }),
    check("what another run wrote before stays", async (harness) => {
      await write(harness, 0, RECORDS, new Crash(0, "before"));
      const before = await harness.read();
      await write(harness, RECORDS, 2 * RECORDS, new Crash(0, "before"));
      const kept = (await harness.read()).slice(0, before.length);
      demand(JSON.stringify(kept) === JSON.stringify(before), () => "what was there before the sink was opened anew has changed");
    }),
    check("records are outside as often as promised, though the worker dies at any call", async (harness) => {
      let calls = CRASHES;
      let written = 0;
      for (let at = 0; at <= Math.min(calls, CRASHES); at++) {
        for (const when of ["before", "after"] as const) {
          const crash = new Crash(at, when);
          await write(harness, written, written + RECORDS, crash);
          written += RECORDS;
          if (at === 0) calls = crash.calls;
        }
      }
    }),
    check("what a dead worker wrote is outside as often as promised, though those after it are given less at once, and die as well", async (harness) => {
      const records = Array.from({ length: RECORDS }, (_, i) => recordOf(harness.value(i), i));
      const writers: SinkWriter[] = [];
      try {
        let checkpoint: unknown;
        const opened = async (): Promise<SinkWriter> => {
          const writer = await harness.sink().open(checkpoint);
          writers.push(writer);
          checkpoint ??= writer.initial;
          return writer;
        };
        await (await opened()).write(records);
        for (let at = 0; at < RECORDS; at += 3) checkpoint = await (await opened()).write(records.slice(at, at + 3));
        const expected = records.map(({ value }) => harness.identify(value));
        const outside = await harness.read();
        const differs = difference(expected, harness.guarantee === "exactly once" ? outside : [...new Set(outside)], true);
        demand(differs === undefined, () => `each writer but the first was opened where the one before it had come to: ${differs}`);
      } finally {
        for (const writer of writers) await writer.close();
      }
    }),
  ];
}

function recordOf<T>(value: T, i: number): StreamRecord<T> {
  return { key: `key-${i}`, value, timestamp: i, id: `record-${i}`, late: false, is: (() => false) as unknown as StreamRecord<T>["is"] };
}

/** Writes the values `from` to `to`, and looks at what is outside of them. */
async function write<T>(harness: SinkHarness<T>, from: number, to: number, crash: Crash): Promise<void> {
  const values = stream<T>("values", { codec: cbor<T>() });
  const given = Array.from({ length: to - from }, (_, i) => ({ value: harness.value(from + i), position: i + 1, timestamp: i }));
  const source = () =>
    fromIterable<T>(async function* (position: unknown) {
      // A few at a time, so that there are several writes and commits to die between.
      for (let at = (position as number | undefined) ?? 0; at < given.length; at += 3) {
        yield given.slice(at, at + 3);
        await pause(2);
      }
      // Not the end: that would let the watermark, and with it the run, end.
      await new Promise(() => {});
    });
  const writers: SinkWriter[] = [];
  const pipeline = () =>
    new Pipeline("conformance", { shards: 1 }).inject("values", values, source()).sink("sink", values, counted(harness.sink(), crash, writers));
  const expected = given.map(({ value }) => harness.identify(value));
  const wanted = new Set(expected);
  const found = async () => (await harness.read()).filter((each) => wanted.has(each));
  let last: readonly string[] = [];
  const done = async () => {
    last = await found();
    return new Set(last).size >= expected.length;
  };
  try {
    await runWithCrash(pipeline, crash, done, () => difference(expected, last, false) ?? "");
    await pause(QUIET);
    const outside = await found();
    const differs = harness.guarantee === "exactly once" ? difference(expected, outside, true) : difference(expected, [...new Set(outside)], true);
    demand(differs === undefined, () => `${crash.text}: ${differs}`);
  } finally {
    for (const writer of writers) await writer.close();
  }
}

/** The same sink, with every call told to `crash`; its writers outlive the workers that opened them. */
function counted<T>(original: Sink<T>, crash: Crash, writers: SinkWriter[]): Sink<T> {
  return {
    ...original,
    open: async (checkpoint) => {
      const writer = await crash.around(async () => {
        const opened = await original.open(checkpoint);
        writers.push(opened);
        return opened;
      });
      return {
        ...(writer.initial === undefined ? {} : { initial: writer.initial }),
        write: (records) => crash.around(() => writer.write(records)),
        close: () => Promise.resolve(),
      };
    },
  } as Sink<T>;
}
