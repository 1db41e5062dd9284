import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError, InjectorFailedError } from "../../src/errors.ts";
import { fromIterable, type Positioned, type PositionedIterable, watermarkMark } from "../../src/injectors/from-iterable.ts";
import { hours } from "../../src/time.ts";
import { ascending } from "../../src/watermark/ascending.ts";
import { byHand } from "../../src/watermark/by-hand.ts";
import { drain, isOpen, readAll, readingContext } from "../support/reading.ts";

const numbered = (n: number): Positioned<string, number> => ({ value: `v${n}`, position: n });
const positions = (items: readonly { readonly position: unknown }[]): unknown[] => items.map((item) => item.position);

/** The numbers after `position` up to `last`, cut into arrays and single items as `shape` says. */
function* shaped(shape: readonly number[], last: number, position: number | undefined): Generator<Positioned<string, number> | Positioned<string, number>[]> {
  let next = (position ?? 0) + 1;
  for (let i = 0; next <= last; i++) {
    const size = shape[i % shape.length]!;
    if (size === 0) yield numbered(next++);
    else {
      const chunk = Array.from({ length: Math.min(size, last - next + 1) }, (_, offset) => numbered(next + offset));
      next += chunk.length;
      yield chunk;
    }
  }
}

async function* asynchronous<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield item;
}

/** An async iterable that is fed from outside, one result a call. */
class Feed<T> implements AsyncIterable<T> {
  returned = 0;
  readonly #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void }[] = [];

  get asked(): number {
    return this.#waiting.length;
  }
  push(value: T): void {
    this.#waiting.shift()!.resolve({ value, done: false });
  }
  fail(error: unknown): void {
    this.#waiting.shift()!.reject(error);
  }
  end(): void {
    this.#waiting.shift()!.resolve({ value: undefined, done: true });
  }
  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: () => new Promise((resolve, reject) => this.#waiting.push({ resolve, reject })),
      return: async () => {
        this.returned++;
        return { value: undefined, done: true };
      },
    };
  }
}

test("from any committed position exactly the rest comes, whatever the chunks and the pulls", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(7), { minLength: 1, maxLength: 5 }),
      fc.nat(40),
      fc.option(fc.nat(45), { nil: undefined }),
      fc.integer({ min: 1, max: 9 }),
      fc.boolean(),
      async (shape, last, position, max, isAsync) => {
        const open = (after: number | undefined): PositionedIterable<string, number> => {
          const items = shaped(shape, last, after);
          return isAsync ? asynchronous(items) : items;
        };
        const items = await readAll(fromIterable(open), position, max);
        const expected = Array.from({ length: Math.max(0, last - (position ?? 0)) }, (_, i) => numbered((position ?? 0) + 1 + i));
        expect(items).toEqual(expected);
      },
    ),
  );
});

test("a pull never gives more than it was asked for", async () => {
  const reader = await fromIterable((_position: number | undefined) => [Array.from({ length: 10 }, (_, i) => numbered(i))]).open(readingContext(), undefined);
  expect(positions((await reader.pull(4)).items)).toEqual([0, 1, 2, 3]);
  expect(positions((await reader.pull(4)).items)).toEqual([4, 5, 6, 7]);
  expect(positions(await drain(reader, 4))).toEqual([8, 9]);
  await reader.close();
});

test("an async generator that waits for nothing fills a pull", async () => {
  const reader = await fromIterable((_position: number | undefined) => asynchronous(Array.from({ length: 100 }, (_, i) => numbered(i)))).open(
    readingContext(),
    undefined,
  );
  expect((await reader.pull(64)).items).toHaveLength(64);
  await reader.close();
});

test("a pull gives what there is instead of waiting for more", async () => {
  const feed = new Feed<Positioned<string, number>>();
  const reader = await fromIterable((_position: number | undefined) => feed).open(readingContext(), undefined);
  const first = reader.pull(10);
  expect(await isOpen(first)).toBe(true);
  feed.push(numbered(1));
  expect(await first).toEqual({ items: [numbered(1)], done: false });
  const second = reader.pull(10);
  feed.push(numbered(2));
  expect(positions((await second).items)).toEqual([2]);
  const third = reader.pull(10);
  feed.end();
  expect(await third).toEqual({ items: [], done: true });
  await reader.close();
});

test("next is never called while a call is open", async () => {
  const feed = new Feed<Positioned<string, number>>();
  const reader = await fromIterable((_position: number | undefined) => feed).open(readingContext(), undefined);
  for (let n = 1; n <= 5; n++) {
    const pulled = reader.pull(10);
    expect(feed.asked).toBe(1);
    feed.push(numbered(n));
    expect(positions((await pulled).items)).toEqual([n]);
    expect(feed.asked).toBe(1);
  }
  await reader.close();
});

test("an aborted pull gives what it has, and close does not wait for a next that never answers", async () => {
  const feed = new Feed<Positioned<string, number>>();
  const context = readingContext();
  const reader = await fromIterable((_position: number | undefined) => feed).open(context, undefined);
  const pulled = reader.pull(10);
  context.abort();
  expect(await pulled).toEqual({ items: [], done: false });
  expect(await reader.pull(10)).toEqual({ items: [], done: false });
  await reader.close();
  expect(feed.returned).toBe(1);
  feed.fail(new Error("after close"));
});

test("a reader that is aborted before its first pull asks for nothing", async () => {
  const feed = new Feed<Positioned<string, number>>();
  const context = readingContext();
  context.abort();
  const reader = await fromIterable((_position: number | undefined) => feed).open(context, undefined);
  expect(await reader.pull(10)).toEqual({ items: [], done: false });
  expect(feed.asked).toBe(0);
  await reader.close();
});

test("open is given the signal that ends the reading", async () => {
  const context = readingContext();
  let given: AbortSignal | undefined;
  const source = fromIterable((_position: number | undefined, signal) => {
    given = signal;
    return [numbered(1)];
  });
  await (await source.open(context, undefined)).close();
  expect(given).toBe(context.signal);
});

test("close runs the finally of a generator, once and only if it has not ended", async () => {
  let cleaned = 0;
  function* items(): Generator<Positioned<string, number>> {
    try {
      yield numbered(1);
      yield numbered(2);
    } finally {
      cleaned++;
    }
  }
  const source = fromIterable((_position: number | undefined) => items());
  const early = await source.open(readingContext(), undefined);
  await early.pull(1);
  await early.close();
  expect(cleaned).toBe(1);
  await readAll(source);
  expect(cleaned).toBe(2);
});

test("what the iterable throws rejects a pull with the description, after the items before it", async () => {
  async function* failing(): AsyncGenerator<Positioned<string, number>> {
    yield numbered(1);
    throw new Error("connection reset");
  }
  const reader = await fromIterable((_position: number | undefined) => failing(), { description: "orders table" }).open(readingContext(), undefined);
  expect(positions((await reader.pull(10)).items)).toEqual([1]);
  await expect(reader.pull(10)).rejects.toThrow(new InjectorFailedError("orders table failed: connection reset"));
  await expect(reader.pull(10)).rejects.toThrow(InjectorFailedError);
  await reader.close();
});

test("a plain iterator that throws, and an open that throws, are reported the same way", async () => {
  function* failing(): Generator<Positioned<string, number>> {
    yield numbered(1);
    throw new Error("boom");
  }
  const reader = await fromIterable((_position: number | undefined) => failing()).open(readingContext(), undefined);
  expect(positions((await reader.pull(1)).items)).toEqual([1]);
  await expect(reader.pull(1)).rejects.toThrow("iterable failed: boom");
  const unopened = fromIterable<string>(() => {
    throw new Error("no such table");
  });
  await expect(unopened.open(readingContext(), undefined)).rejects.toThrow(new InjectorFailedError("iterable could not be opened: no such table"));
});

test("an item without a position, a watermark that is no time, and what is no item are refused: a restart would not help", async () => {
  const wrong: [unknown, RegExp][] = [
    [{ value: 1 }, /without a position/],
    [{ mark: true, position: 1, watermark: Number.NaN }, /the watermark NaN/],
    [17, /17 where/],
    [null, /null where/],
  ];
  for (const [item, message] of wrong) {
    const reader = await fromIterable(() => [numbered(1), item as Positioned<string, number>]).open(readingContext(), undefined);
    expect(positions((await reader.pull(10)).items)).toEqual([1]);
    const failed = reader.pull(10);
    await expect(failed).rejects.toThrow(ConfigError);
    await expect(failed).rejects.toThrow(message);
    await reader.close();
  }
  for (const notIterable of [5, null, undefined, {}]) {
    await expect(fromIterable(() => notIterable as unknown as []).open(readingContext(), undefined)).rejects.toThrow(
      new ConfigError("iterable: open gave something that is not iterable"),
    );
  }
  expect(() => fromIterable([] as never)).toThrow(ConfigError);
});

test("marks and the items' own timestamps, ids and watermarks are handed on as they are", async () => {
  const items: Positioned<string, number>[] = [{ value: "a", position: 1, timestamp: 50, id: "x", watermark: 40 }, watermarkMark(2, 60)];
  expect(await readAll(fromIterable(() => items))).toEqual(items);
});

test("a pushed promise comes after the items yielded before it and wakes a waiting pull", async () => {
  const watermark = byHand();
  const feed = new Feed<Positioned<string, number>>();
  const reader = await fromIterable((_position: number | undefined) => feed, { watermark }).open(readingContext(), undefined);
  const first = reader.pull(10);
  feed.push(numbered(7));
  watermark.advanceWatermark(100);
  expect((await first).items).toEqual([numbered(7), { value: undefined, position: 7, watermark: 100, mark: true }]);
  const second = reader.pull(10);
  expect(await isOpen(second)).toBe(true);
  watermark.advanceWatermark(200);
  expect((await second).items).toEqual([{ value: undefined, position: 7, watermark: 200, mark: true }]);
  await reader.close();
});

test("a pushed promise waits for the rest of a chunk that the reader has already got", async () => {
  const watermark = byHand();
  const reader = await fromIterable((_position: number | undefined) => [[numbered(1), numbered(2), numbered(3)]], { watermark }).open(
    readingContext(),
    undefined,
  );
  expect(positions((await reader.pull(1)).items)).toEqual([1]);
  watermark.advanceWatermark(100);
  expect((await reader.pull(1)).items).toEqual([numbered(2)]);
  expect((await reader.pull(10)).items).toEqual([numbered(3), { value: undefined, position: 3, watermark: 100, mark: true }]);
  await reader.close();
});

test("a generator that pushes between its yields promises nothing too early", async () => {
  const watermark = byHand();
  async function* items(): AsyncGenerator<Positioned<number, number>> {
    for (let n = 1; n <= 50; n++) {
      yield { value: n, position: n, timestamp: n };
      watermark.advanceWatermark(n);
    }
  }
  for (const max of [1, 3, 100]) {
    let promised = -1;
    const late: unknown[] = [];
    for (const item of await readAll(
      fromIterable((_position: number | undefined) => items(), { watermark }),
      undefined,
      max,
    )) {
      if (item.mark === true) promised = item.watermark!;
      else if (item.timestamp! < promised) late.push(item);
    }
    expect(late).toEqual([]);
    expect(promised).toBe(50);
  }
});

test("defaults: ascending, ids for an hour, at most a day ahead of the clock", () => {
  const source = fromIterable(() => []);
  expect(source).toMatchObject({
    kind: "injector",
    description: "iterable",
    partitions: 1,
    idRetention: hours(1),
    maxAhead: hours(1),
    timestamp: undefined,
    id: undefined,
  });
  expect(source.watermark.description).toBe(ascending().description);
});

test("options that cannot be meant are refused with the description", () => {
  const refused = (options: object): unknown => {
    try {
      return fromIterable(() => [], { description: "orders", ...options });
    } catch (error) {
      return error;
    }
  };
  for (const options of [{ timestamp: 5 }, { id: "id" }, { idRetention: -1 }, { maxAhead: Number.NaN }, { watermark: 5_000 }]) {
    expect(refused(options)).toBeInstanceOf(ConfigError);
    expect((refused(options) as Error).message).toMatch(/^fromIterable \(orders\): (timestamp|id|idRetention|maxAhead|watermark) is /);
  }
  expect((refused({ timestmp: Number }) as Error).message).toMatch(
    /^fromIterable \(orders\): there is no option "timestmp"; there are description, schema, timestamp/,
  );
  expect(() => fromIterable(() => [], null as never)).toThrow(ConfigError);
});
