import { expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/clock.ts";
import { Computation, ConfigError, type Context, fromHttp, input, Pipeline, state, stream, type StreamRecord } from "../../src/index.ts";
import { doorOf } from "../../src/injectors/door-source.ts";
import { fromIterable } from "../../src/injectors/from-iterable.ts";
import type { HttpDoor } from "../../src/injectors/http-door.ts";
import { HttpReceipt, LISTED_RECORDS } from "../../src/injectors/http-receipt.ts";
import type { InjectorSource, ItemFate, SourceReader } from "../../src/injectors/injector.ts";
import { HTTP_WAITING_BYTES, HTTP_WAITING_RECORDS } from "../../src/limits.ts";
import { PipelineTester } from "../../src/testing/index.ts";
import { hours } from "../../src/time.ts";

interface Opened {
  readonly door: HttpDoor;
  readonly reader: SourceReader;
  readonly abort: AbortController;
}

async function opened(source: InjectorSource = fromHttp()): Promise<Opened> {
  const abort = new AbortController();
  const door = doorOf(source)?.door;
  if (door === undefined) throw new Error("it has no door");
  return { door, abort, reader: await source.open({ partition: 0, signal: abort.signal, clock: systemClock, warn: () => {} }, undefined) };
}

const records = (from: number, to: number, bytes = 1) =>
  Array.from({ length: to - from }, (_, i) => ({ value: from + i, id: `id ${from + i}`, timestamp: undefined, bytes }));
const injected = (n: number): ItemFate => ({ kind: "injected", id: `id ${n}`, timestamp: n });

test("defaults: its own ids, an hour of them, the clock less five seconds; and it asks to be told", () => {
  expect(fromHttp()).toMatchObject({
    description: "HTTP",
    partitions: 1,
    id: "item",
    timestamp: undefined,
    idRetention: hours(1),
    maxAhead: hours(1),
    confirms: true,
  });
  expect(fromHttp().watermark.description).toBe("trailing the clock by 5000 ms");
  const id = (value: { readonly id: string }) => value.id;
  expect(fromHttp({ id }).id).toBe(id);
  expect(() => fromHttp({ idField: "id" } as object)).toThrow(ConfigError);
  expect(doorOf(fromIterable(() => []))).toBeUndefined();
});

test("records are given in their order, and each request is told of its own", async () => {
  const { door, reader } = await opened();
  const [one, other] = [new HttpReceipt(), new HttpReceipt()];
  door.hand(records(0, 3), one);
  door.hand(records(3, 5), other);
  const { items, done } = await reader.pull(4);
  expect([items.map(({ value, id, position }) => [value, id, position]), done]).toEqual([[0, 1, 2, 3].map((n) => [n, `id ${n}`, 0]), false]);
  reader.confirm?.([injected(0), { kind: "duplicate" }]);
  expect([one.injected, one.duplicates, one.waiting, other.waiting]).toEqual([1, 1, 1, 2]);
  let told = false;
  one.onceTold(() => (told = true));
  reader.confirm?.([{ kind: "refused", reason: "no" }, injected(3)]);
  expect([told, one.refused, one.records]).toEqual([
    true,
    [{ index: 2, id: "id 2", reason: "no" }],
    [
      { id: "id 0", duplicate: false, timestamp: 0 },
      { id: "id 1", duplicate: true, timestamp: undefined },
    ],
  ]);
  expect([door.waiting, door.counted]).toEqual([1, { accepted: 2, duplicate: 1, refused: 1 }]);
});

test("a pull waits for a record, and ends with its worker", async () => {
  const { door, reader, abort } = await opened();
  const first = reader.pull(10);
  door.hand(records(0, 1), new HttpReceipt());
  expect((await first).items).toHaveLength(1);
  const second = reader.pull(10);
  abort.abort();
  expect(await second).toEqual({ items: [], done: false });
});

test("closed, it tells what was given that nobody knows, and of the rest that it was not taken; then it takes nothing", async () => {
  const { door, reader } = await opened();
  const receipt = new HttpReceipt();
  door.hand(records(0, 5), receipt);
  await reader.pull(2);
  reader.confirm?.([injected(0)]);
  await reader.close();
  expect([receipt.injected, receipt.unknown, receipt.untaken, receipt.waiting]).toEqual([1, 1, 3, 0]);
  expect([door.isOpen, door.hand(records(5, 6), receipt), receipt.handed, await door.room(1, systemClock)]).toEqual([false, false, 5, true]);
});

test("the newest reader has the door: an older one that closes late does not shut it", async () => {
  const source = fromHttp();
  const older = await opened(source);
  const receipt = new HttpReceipt();
  older.door.hand(records(0, 1), receipt);
  const newer = await opened(source);
  newer.door.hand(records(1, 2), receipt);
  await older.reader.close();
  expect([newer.door.isOpen, receipt.untaken]).toEqual([true, 1]);
  expect((await newer.reader.pull(10)).items.map(({ value }) => value)).toEqual([1]);
});

test("it is full by records and by bytes, and has room again when enough is confirmed", async () => {
  const { door, reader } = await opened();
  door.hand(records(0, HTTP_WAITING_RECORDS - 1), new HttpReceipt());
  expect(door.full).toBe(false);
  door.hand(records(0, 1), new HttpReceipt());
  expect(door.full).toBe(true);
  const never: Clock = { ...systemClock, after: () => () => {} };
  const room = door.room(1_000, never);
  await reader.pull(10);
  reader.confirm?.([injected(0)]);
  expect([await room, door.full]).toEqual([true, false]);
  const large = await opened();
  large.door.hand(records(0, 1, HTTP_WAITING_BYTES), new HttpReceipt());
  expect([large.door.full, await large.door.room(1, systemClock)]).toEqual([true, false]);
});

test("large records are given few at once", async () => {
  const { door, reader } = await opened();
  door.hand(records(0, 8, 600_000), new HttpReceipt());
  expect((await reader.pull(1_024)).items).toHaveLength(2);
});

test("of very many records a receipt keeps counts alone", async () => {
  const { door, reader } = await opened();
  const receipt = new HttpReceipt();
  const count = LISTED_RECORDS + 1;
  door.hand(records(0, count), receipt);
  await reader.pull(count);
  reader.confirm?.(Array.from({ length: count }, (_, n) => injected(n)));
  expect([receipt.injected, receipt.records, receipt.waiting]).toEqual([count, undefined, 0]);
});

test("a tester pushes to it as to any other, with an id or without", async () => {
  const words = stream<string>("words");
  class Count extends Computation {
    readonly words = input(words, { key: (word) => word });
    readonly count = state("count", { initial: 0 });
    override processRecord(_: StreamRecord<string>, context: Context): void {
      const count = context.state(this.count);
      count.set(count.get() + 1);
    }
  }
  const tester = await PipelineTester.start(new Pipeline("tested").inject("words", words, fromHttp()).compute("count", Count));
  await tester.push(words, "a", { at: 1 });
  await tester.push(words, "a", { at: 2 });
  await tester.push(words, "a", { at: 3, id: "x" });
  await tester.push(words, "a", { at: 3, id: "x" });
  expect(tester.state(Count, "a").count).toBe(3);
});
