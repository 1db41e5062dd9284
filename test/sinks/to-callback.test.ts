import { expect, test } from "vitest";
import { ConfigError } from "../../src/errors.ts";
import { toCallback } from "../../src/sinks/to-callback.ts";
import { recordsOf } from "../support/records.ts";

test("each record is given to the callback, in order, one after the other", async () => {
  const seen: string[] = [];
  const writer = await toCallback<number>(async (record) => {
    seen.push(`start ${record.value}`);
    await Promise.resolve();
    seen.push(`end ${record.value}`);
  }).open(undefined);
  expect(await writer.write(recordsOf([1, 2]))).toBeUndefined();
  await writer.close();
  expect(seen).toEqual(["start 1", "end 1", "start 2", "end 2"]);
});

test("a call that throws or rejects fails the write at that record", async () => {
  for (const fail of [
    () => Promise.reject(new Error("no")),
    (): never => {
      throw new Error("no");
    },
  ]) {
    const seen: unknown[] = [];
    const writer = await toCallback<number>((record) => (record.value === 2 ? fail() : void seen.push(record.value))).open(undefined);
    await expect(writer.write(recordsOf([1, 2, 3]))).rejects.toThrow("no");
    expect(seen).toEqual([1]);
  }
});

test("records before the one that failed are not called for again by this writer, but by the next one", async () => {
  const seen: number[] = [];
  let failures = 2;
  const target = toCallback<number>((record) => {
    if (record.value === 3 && failures-- > 0) throw new Error("not yet");
    seen.push(record.value);
  });
  const writer = await target.open(undefined);
  const records = recordsOf([1, 2, 3, 4]);
  await expect(writer.write(records)).rejects.toThrow("not yet");
  await writer.write(records.slice(0, 1));
  await writer.write(records.slice(1, 2));
  await expect(writer.write(records.slice(2, 3))).rejects.toThrow("not yet");
  await writer.write(records.slice(2, 3));
  await writer.write(records.slice(3));
  expect(seen).toEqual([1, 2, 3, 4]);
  const next = await target.open(undefined);
  await next.write(records.slice(2));
  expect(seen).toEqual([1, 2, 3, 4, 3, 4]);
});

test("a record that comes again later is called for again", async () => {
  const seen: number[] = [];
  const writer = await toCallback<number>((record) => void seen.push(record.value)).open(undefined);
  await writer.write(recordsOf([1]));
  await writer.write(recordsOf([1]));
  expect(seen).toEqual([1, 1]);
});

test("attempts are five by default; what is no number of tries is refused", () => {
  expect(toCallback(() => {})).toMatchObject({ kind: "sink", attempts: 5, description: "callback" });
  expect(toCallback(function send() {}, { attempts: Number.POSITIVE_INFINITY })).toMatchObject({
    attempts: Number.POSITIVE_INFINITY,
    description: "callback send",
  });
  for (const attempts of [0, 1.5, -1, Number.NaN]) expect(() => toCallback(() => {}, { attempts })).toThrow(ConfigError);
  expect(() => toCallback(undefined as never)).toThrow(ConfigError);
  expect(() => toCallback(() => {}, { atempts: 3 } as object)).toThrow(new ConfigError('toCallback: there is no option "atempts"; there are attempts'));
});
