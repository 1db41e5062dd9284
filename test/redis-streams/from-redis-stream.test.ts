import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/errors.ts";
import type { InjectorSource } from "../../src/injectors/injector.ts";
import { fromRedisStream, type RedisStreamOptions } from "../../src/redis-streams/index.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { byHand } from "../../src/watermark/by-hand.ts";
import { KILLABLE, reading, taken, useStreams } from "./streams.ts";

const streams = useStreams(KILLABLE);
const number = (fields: Readonly<Record<string, string>>): number => Number(fields["n"]);
const numbers = (key: string | readonly string[], options: Partial<RedisStreamOptions<number>> = {}): InjectorSource =>
  fromRedisStream<number>(key, { connection: streams.server.url, value: number, ...options });

/** What `attempt` rejects with; it has to be a ConfigError. */
async function refusal(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).message;
}

describe("entries", () => {
  test("come in order, each once, with the time in their id, and go on after a position", async () => {
    const key = streams.fresh();
    const ids = await streams.add(key, 1, 2, 3);
    const first = await reading(numbers(key));
    const items = await first.take(2);
    await first.stop();
    expect(items.map(({ value, timestamp }) => [value, timestamp])).toEqual([1, 2].map((n) => [n, Number(ids[n - 1]!.split("-")[0])]));
    await streams.add(key, 4);
    expect((await taken(numbers(key), 2, items[0]!.position)).values).toEqual([2, 3]);
    expect((await taken(numbers(key), 2, items[1]!.position)).values).toEqual([3, 4]);
  });

  test("are their fields by default, whatever these are called", async () => {
    const key = streams.fresh();
    await streams.admin.xadd(key, "*", "a", "ä €", "__proto__", "x", "", "");
    const { values } = await taken(fromRedisStream(key, { connection: streams.server.url }), 1);
    expect(Object.entries(values[0] as object)).toEqual([
      ["a", "ä €"],
      ["__proto__", "x"],
      ["", ""],
    ]);
  });

  test("that are many are read page by page", async () => {
    const key = streams.fresh();
    await streams.admin.eval("for i = 1, 3000 do redis.call('XADD', KEYS[1], '*', 'n', i) end", 1, key);
    expect((await taken(numbers(key), 3_000)).values).toEqual(Array.from({ length: 3_000 }, (_, i) => i + 1));
  });

  test("that are large end a page early, and none is left out", async () => {
    const key = streams.fresh();
    await streams.admin.eval("for i = 1, 200 do redis.call('XADD', KEYS[1], '*', 'n', i, 'text', string.rep('x', 50000)) end", 1, key);
    const opened = await reading(numbers(key));
    await opened.next();
    const page = await opened.next();
    await opened.stop();
    expect(page.length).toBe(64);
    expect((await taken(numbers(key), 200)).values.at(-1)).toBe(200);
  });

  test("may be JSON in a field; garbage is a failure with its text, and what follows it is read", async () => {
    const key = streams.fresh();
    await streams.admin.xadd(key, "*", "body", '{"a":1}');
    await streams.admin.xadd(key, "*", "body", "{garbage");
    await streams.admin.xadd(key, "*", "other", "1");
    await streams.admin.xadd(key, "*", "body", "null");
    const opened = await reading(fromRedisStream(key, { connection: streams.server.url, json: "body" }));
    const items = await opened.take(4);
    await opened.stop();
    expect(items.map(({ failure }) => failure === undefined)).toEqual([true, false, false, true]);
    expect(items[0]!.value).toEqual({ a: 1 });
    expect(items[1]!.value).toContain("{garbage");
    expect(items[2]!.failure).toContain('has no field "body"');
    expect(items[3]!.value).toBeNull();
  });

  test("whose value throws are a failure", async () => {
    const key = streams.fresh();
    await streams.add(key, 1);
    const opened = await reading(
      numbers(key, {
        value: (_, { id }) => {
          throw new Error(`no number in ${id}`);
        },
      }),
    );
    expect((await opened.take(1))[0]!.failure).toMatch(/no number in \d+-\d/);
    await opened.stop();
  });
});

describe("start", () => {
  test("at the end passes over what is there, also after a restart before the first entry came", async () => {
    const key = streams.fresh();
    await streams.add(key, 1, 2);
    const opened = await reading(numbers(key, { start: "end" }));
    const [mark] = await opened.next();
    await opened.stop();
    expect(mark).toMatchObject({ mark: true });
    await streams.add(key, 3);
    expect((await taken(numbers(key, { start: "end" }), 1, mark!.position)).values).toEqual([3]);
  });

  test("after the entry of an id, or of a time", async () => {
    const key = streams.fresh();
    for (const id of ["5-1", "5-2", "7-0", "8-0"]) await streams.admin.xadd(key, id, "n", id.replace("-", "."));
    expect((await taken(numbers(key, { start: "5-1" }), 3)).values).toEqual([5.2, 7, 8]);
    expect((await taken(numbers(key, { start: "5-1" }), 1)).position).toMatchObject({ id: "5-2", number: undefined });
    expect((await taken(numbers(key, { start: "7" }), 1)).position).toMatchObject({ id: "8-0", number: 4 });
    expect(await refusal(taken(numbers(key, { start: "9-0" }), 1))).toContain("start is 9-0, but its last entry is 8-0");
  });

  test("waits for a stream that is not there yet", async () => {
    for (const start of ["beginning", "end"]) {
      const key = streams.fresh();
      const opened = await reading(numbers(key, { start }));
      await opened.next();
      const item = opened.take(1);
      await streams.add(key, 1);
      expect((await item)[0]!.value).toBe(1);
      await opened.stop();
    }
  });

  test("of several streams is that of each: partition i reads key i", async () => {
    const keys = [streams.fresh(), streams.fresh()];
    await streams.add(keys[0]!, 1);
    await streams.add(keys[1]!, 2);
    const source = numbers(keys);
    expect(source.partitions).toBe(2);
    expect((await taken(source, 1, undefined, 0)).values).toEqual([1]);
    const second = await taken(source, 1, undefined, 1);
    expect(second.values).toEqual([2]);
    expect(await refusal(taken(source, 1, second.position, 0))).toContain("Keep the keys in their order");
  });
});

describe("trimming", () => {
  /** A stream with entries 1 to 9, of which `read` were read, and then `xtrim` took all but `left`. */
  async function trimmed(read: number, left: number): Promise<{ key: string; position: unknown }> {
    const key = streams.fresh();
    await streams.add(key, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    const { position } = await taken(numbers(key), read);
    await streams.admin.xtrim(key, "MAXLEN", left);
    return { key, position };
  }

  test("of entries that were read is no loss", async () => {
    for (const left of [5, 4]) {
      const { key, position } = await trimmed(5, left);
      expect((await taken(numbers(key), 4, position)).values).toEqual([6, 7, 8, 9]);
    }
  });

  test("of one entry that was not read stops the pipeline, with how many, where, and what to do", async () => {
    const { key, position } = await trimmed(5, 3);
    const message = await refusal(taken(numbers(key), 1, position));
    expect(message).toContain("number 5, and at least 1 entries after it were removed");
    expect(message).toContain('onTrimmed: "skip"');
  });

  test("of all entries, or by id, is found too", async () => {
    const { key, position } = await trimmed(5, 0);
    expect(await refusal(taken(numbers(key), 1, position))).toContain("at least 4 entries after it were removed before they were read; it holds none now");
    const other = streams.fresh();
    const ids = await streams.add(other, 1, 2, 3, 4);
    const two = await taken(numbers(other), 2);
    await streams.admin.xtrim(other, "MINID", ids[3]!);
    expect(await refusal(taken(numbers(other), 1, two.position))).toContain("at least 1 entries");
  });

  test("before the first start is none of ours; after it, before the first entry, it is", async () => {
    const key = streams.fresh();
    await streams.add(key, 1, 2, 3);
    await streams.admin.xtrim(key, "MAXLEN", 2);
    const opened = await reading(numbers(key));
    const [mark] = await opened.next();
    await opened.stop();
    expect((await taken(numbers(key), 2, mark!.position)).values).toEqual([2, 3]);
    await streams.admin.xtrim(key, "MAXLEN", 1);
    expect(await refusal(taken(numbers(key), 1, mark!.position))).toContain("at least 1 entries");
  });

  test("that is to be passed over is one failure, which says so, and then what is left", async () => {
    const { key, position } = await trimmed(5, 2);
    const opened = await reading(numbers(key, { onTrimmed: "skip" }), position);
    const items = await opened.take(3);
    await opened.stop();
    expect(items[0]!.failure).toContain("at least 2 entries after it were removed");
    expect(items.slice(1).map(({ value }) => value)).toEqual([8, 9]);
    expect((await taken(numbers(key), 2, items[0]!.position)).values).toEqual([8, 9]);
  });

  test("after an id whose number is not known yet may be a loss, unless its entry is there or nothing was removed", async () => {
    const key = streams.fresh();
    for (const id of ["1-0", "2-0", "3-0", "4-0"]) await streams.admin.xadd(key, id, "n", 1);
    expect((await taken(numbers(key, { start: "0-5" }), 4)).values).toHaveLength(4);
    await streams.admin.xtrim(key, "MAXLEN", 3);
    expect((await taken(numbers(key, { start: "2-0" }), 2)).values).toHaveLength(2);
    expect(await refusal(taken(numbers(key, { start: "1-0" }), 1))).toContain("is read from entry 1-0, and entries after it may be gone");
    const { values } = await taken(numbers(key, { start: "1-0", onTrimmed: "skip" }), 4);
    expect(values).toEqual(["after 1-0", 1, 1, 1]);
  });
});

describe("deleted entries", () => {
  test("that were read are no loss", async () => {
    const key = streams.fresh();
    const ids = await streams.add(key, 1, 2, 3, 4);
    const { position } = await taken(numbers(key), 2);
    await streams.admin.xdel(key, ids[0]!, ids[1]!);
    expect((await taken(numbers(key), 2, position)).values).toEqual([3, 4]);
  });

  test("that were not read are passed over while one before them is there: nothing was trimmed", async () => {
    const key = streams.fresh();
    const ids = await streams.add(key, 1, 2, 3, 4);
    const { position } = await taken(numbers(key), 1);
    await streams.admin.xdel(key, ids[1]!, ids[3]!);
    const opened = await reading(numbers(key), position);
    const [third] = await opened.next();
    await opened.stop();
    expect(third).toMatchObject({ value: 3, position: { number: 4 } });
    await streams.add(key, 5);
    await streams.admin.xtrim(key, "MAXLEN", 1);
    expect((await taken(numbers(key), 1, third!.position)).values).toEqual([5]);
  });
});

describe("a stream that was deleted and made anew", () => {
  test("with smaller ids is refused, whatever onTrimmed says", async () => {
    const key = streams.fresh();
    await streams.add(key, 1, 2);
    const { position } = await taken(numbers(key), 2);
    await streams.admin.del(key);
    await streams.admin.xadd(key, "5-0", "n", 1);
    for (const onTrimmed of ["fail", "skip"] as const)
      expect(await refusal(taken(numbers(key, { onTrimmed }), 1, position))).toContain("its last entry is 5-0: it was deleted and made anew");
  });

  test("with larger ids is told by how few entries it has had, and read as onTrimmed says", async () => {
    const key = streams.fresh();
    await streams.add(key, 1, 2);
    const { position } = await taken(numbers(key), 2);
    await streams.admin.del(key);
    await streams.add(key, 3);
    expect(await refusal(taken(numbers(key), 1, position))).toContain("only 1 were ever added to it: it was deleted and made anew");
    expect((await taken(numbers(key, { onTrimmed: "skip" }), 2, position)).values).toEqual([expect.stringContaining("after"), 3]);
  });
});

describe("waiting", () => {
  test("ends with the signal, at once", async () => {
    const opened = await reading(numbers(streams.fresh(), { watermark: byHand() }));
    await opened.next();
    const pulled = opened.next();
    await opened.stop();
    expect(await pulled).toEqual([]);
  });

  test("is interrupted by a pushed promise, and goes on", async () => {
    const key = streams.fresh();
    const policy = byHand();
    const opened = await reading(numbers(key, { watermark: policy }));
    await opened.next();
    const pulled = opened.next();
    policy.advanceWatermark(7);
    expect(await pulled).toMatchObject([{ mark: true, watermark: 7 }]);
    const item = opened.take(1);
    await streams.add(key, 1);
    expect((await item)[0]!.value).toBe(1);
    await opened.stop();
  });

  test("promises the time of Redis, less the slack, while nothing comes", async () => {
    const key = streams.fresh();
    const opened = await reading(numbers(key));
    await opened.next();
    const before = Date.now();
    const [promise] = await opened.next();
    const [later] = await opened.next();
    await opened.stop();
    expect(promise).toMatchObject({ mark: true });
    expect(Math.abs(promise!.watermark! + 1_000 - before)).toBeLessThan(60_000);
    expect(later!.watermark! - promise!.watermark!).toBeGreaterThanOrEqual(1_000);
    const [id] = await streams.add(key, 1);
    expect(Number(id!.split("-")[0])).toBeGreaterThanOrEqual(later!.watermark!);
  });

  test("outlasts a Redis that is killed and restarted, and says so; nothing is lost or doubled", async () => {
    const key = streams.fresh();
    await streams.add(key, 1, 2);
    const opened = await reading(numbers(key));
    const first = await opened.take(2);
    const rest = opened.take(1);
    await streams.server.kill();
    await expect.poll(() => opened.warnings.length).toBe(1);
    await streams.server.start();
    await streams.add(key, 3);
    expect([...first, ...(await rest)].map(({ value }) => value)).toEqual([1, 2, 3]);
    expect(opened.warnings).toEqual([expect.stringContaining("tried again until it answers"), expect.stringContaining("is read again")]);
    await opened.stop();
  });

  test("for a Redis that is not there ends with the signal", async () => {
    const opened = await reading(numbers("k", { connection: "/nowhere.sock" }));
    const pulled = opened.next();
    await expect.poll(() => opened.warnings.length).toBe(1);
    expect(opened.warnings[0]).toContain("Redis stream");
    await opened.stop();
    expect(await pulled).toEqual([]);
  });

  test("for a Redis that stands still gives it up after 5 s, and ends when it answers again", async () => {
    const key = streams.fresh();
    await streams.add(key, 1);
    streams.server.freeze();
    const clock = new VirtualClock();
    const opened = await reading(numbers(key), undefined, 0, clock);
    const item = opened.take(1);
    try {
      await expect.poll(() => (clock.advance(100), opened.warnings.length)).toBe(1);
      expect(opened.warnings[0]).toContain("no answer within 5000 ms");
    } finally {
      streams.server.thaw();
    }
    let value: unknown;
    void item.then((items) => (value = items[0]!.value));
    await expect.poll(() => (clock.advance(100), value)).toBe(1);
    await opened.stop();
  });
});

describe("what cannot work", () => {
  test("a key that is no stream is refused with a sentence", async () => {
    const key = streams.fresh();
    await streams.admin.set(key, "text");
    expect(await refusal(taken(numbers(key), 1))).toContain("the key holds something that is not a stream");
  });

  test("a wrong password, a user who may not, and a database that is not there are refused, and no password is shown", async () => {
    await streams.admin.call("ACL", "SETUSER", "poor", "on", ">secret", "~*", "+ping");
    const at = `127.0.0.1:${streams.server.port}`;
    for (const [url, text] of [
      [`redis://poor:wrong@${at}`, "does not take the user name or password"],
      [`redis://poor:secret@${at}`, "NOPERM"],
      [`redis://${at}/99`, "DB index is out of range"],
    ] as const) {
      const message = await refusal(taken(numbers("k", { connection: url }), 1));
      expect(message).toContain(text);
      expect(message).not.toMatch(/secret|wrong/);
    }
  });

  test("a client of the user's is neither used nor closed", async () => {
    const client = new Redis(streams.server.socket, { lazyConnect: true });
    const key = streams.fresh();
    await streams.add(key, 1);
    expect((await taken(numbers(key, { connection: client }), 1)).values).toEqual([1]);
    expect(client.status).toBe("wait");
    client.disconnect();
  });

  test.each<[string, string | readonly string[], object]>([
    ["no key", "", {}],
    ["no keys", [], {}],
    ["a key twice", ["a", "a"], {}],
    ["an unknown option", "a", { group: "g" }],
    ["no connection", "a", { connection: undefined }],
    ["a wrong start", "a", { start: "middle" }],
    ["a start beyond all ids", "a", { start: "18446744073709551616-0" }],
    ["json and value", "a", { json: "x" }],
    ["json that is no name", "a", { value: undefined, json: 1 }],
    ["a value that is no function", "a", { value: 1 }],
    ["a wrong onTrimmed", "a", { onTrimmed: "ignore" }],
    ["a keyPrefix", "a", { connection: { keyPrefix: "p:" } }],
  ])("%s is refused when it is written", (_, key, options) => {
    const write = (): unknown => fromRedisStream(key, { connection: "redis://localhost", value: number, ...options } as RedisStreamOptions<number>);
    expect(write).toThrow(ConfigError);
    expect(write).toThrow(/^fromRedisStream/);
  });
});
