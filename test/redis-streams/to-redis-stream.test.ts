import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { ConfigError, InvalidUseError, SinkLostDataError, SinkUnavailableError } from "../../src/errors.ts";
import { type RedisStreamSinkOptions, toRedisStream } from "../../src/redis-streams/index.ts";
import type { SinkWriter } from "../../src/sinks/sink.ts";
import { recordOf, recordsOf } from "../support/records.ts";
import { KILLABLE, useStreams } from "./streams.ts";

const streams = useStreams(KILLABLE);

/** Opens as the engine does at a stored checkpoint. */
const open = (key: string, checkpoint?: unknown, options: Partial<RedisStreamSinkOptions<unknown>> = {}): Promise<SinkWriter> =>
  toRedisStream(key, { connection: streams.server.url, ...options }).open(structuredClone(checkpoint));

const values = async (key: string): Promise<unknown[]> => (await streams.entries(key)).map(({ value }) => (value === undefined ? "theirs" : JSON.parse(value)));
const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A sink that has committed 1 and 2, and what it stands at. */
async function begun(key: string): Promise<unknown> {
  const writer = await open(key);
  const checkpoint = await writer.write(recordsOf([1, 2]));
  await writer.close();
  return checkpoint;
}

describe("entries", () => {
  test("are the value as JSON and the record's name, in the order of the records", async () => {
    const key = streams.fresh();
    const writer = await open(key);
    await writer.write(recordsOf([{ a: 1 }, "two"]));
    await writer.write(recordsOf([new Map([["three", 3]])]));
    await writer.close();
    const entries = await streams.entries(key);
    expect(entries.map(({ value }) => value)).toEqual(['{"a":1}', '"two"', '[["three",3]]']);
    expect(entries[1]).toEqual({ value: '"two"', millrace: expect.stringMatching(/^[\w-]{10}:r-"two"$/) as string });
  });

  test("may be any fields: texts, numbers and bytes", async () => {
    const key = streams.fresh();
    const writer = await open(key, undefined, { fields: ({ value, id }) => ({ text: String(value), n: 1.5, bytes: Buffer.from([0, 255, 10]), id }) });
    await writer.write([recordOf("ä €", "x")]);
    await writer.close();
    const [[, texts]] = (await streams.admin.callBuffer("XRANGE", key, "-", "+")) as [[unknown, Buffer[]]];
    expect(texts.slice(0, 8).map((text) => text.toString("latin1"))).toEqual([
      "text",
      Buffer.from("ä €").toString("latin1"),
      "n",
      "1.5",
      "bytes",
      "\x00\xff\n",
      "id",
      "x",
    ]);
  });

  test("whose fields throw, or are none, leave nothing of the call and the writer usable", async () => {
    const key = streams.fresh();
    const writer = await open(key, undefined, {
      fields: ({ value }) => {
        if (value === 13) throw new Error("unlucky");
        return value as Record<string, string>;
      },
    });
    await expect(writer.write(recordsOf([{ a: "1" }, 13]))).rejects.toThrow("unlucky");
    for (const wrong of [null, 1, ["a"], { a: undefined }, { a: {} }, { millrace: "mine" }, Object.fromEntries(numbers(0, 500).map((n) => [n, n]))])
      await expect(writer.write(recordsOf([{ a: "1" }, wrong]))).rejects.toThrow(InvalidUseError);
    expect(await streams.entries(key)).toEqual([]);
    await writer.write(recordsOf([{ a: "1" }, {}]));
    await writer.close();
    expect((await streams.entries(key)).map(({ a }) => a)).toEqual(["1", undefined]);
  });

  test("that are many or large are written in several calls, each once", async () => {
    const key = streams.fresh();
    const writer = await open(key);
    await writer.write(recordsOf(numbers(1, 1_000)));
    await writer.write(numbers(1, 20).map((n) => recordOf("x".repeat(200_000), `large-${n}`)));
    await writer.close();
    const written = await streams.entries(key);
    expect(written.slice(0, 1_000).map(({ value }) => Number(value))).toEqual(numbers(1, 1_000));
    expect(written).toHaveLength(1_020);
  });

  test("older than maxLength are removed, not one of the last write", async () => {
    const key = streams.fresh();
    const writer = await open(key, undefined, { maxLength: 1_024 });
    for (let from = 1; from < 4_000; from += 1_000) await writer.write(recordsOf(numbers(from, from + 999)));
    await writer.close();
    const left = await values(key);
    expect(left.length).toBeGreaterThanOrEqual(1_024);
    expect(left.length).toBeLessThan(1_400);
    expect(left.slice(-1_000)).toEqual(numbers(3_001, 4_000));
  });
});

describe("exactly once", () => {
  test("what a writer appended before it crashed is not appended again", async () => {
    const key = streams.fresh();
    const checkpoint = await begun(key);
    const crashed = await open(key, checkpoint);
    await crashed.write(recordsOf([3, 4]));
    await crashed.close();
    const successor = await open(key, checkpoint);
    const after = await successor.write(recordsOf([3, 4, 5]));
    await successor.close();
    expect(await values(key)).toEqual([1, 2, 3, 4, 5]);
    const third = await open(key, after);
    await third.write(recordsOf([6]));
    await third.close();
    expect(await values(key)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("what a crash before the first commit of records left is known, if the initial checkpoint was committed", async () => {
    const key = streams.fresh();
    await streams.add(key, "theirs");
    const first = await open(key);
    const { initial } = first;
    await first.write(recordsOf([1, 2]));
    await first.close();
    const second = await open(key, initial);
    expect(second.initial).toBeUndefined();
    await second.write(recordsOf([1]));
    await second.write(recordsOf([2, 3]));
    await second.close();
    expect(await values(key)).toEqual(["theirs", 1, 2, 3]);
  });

  test("a writer that was thought dead doubles nothing, nor does its successor what it writes", async () => {
    const key = streams.fresh();
    const checkpoint = await begun(key);
    const zombie = await open(key, checkpoint);
    const owner = await open(key, checkpoint);
    await owner.write(recordsOf([3]));
    // It knows nothing of 3, and writes ahead of the owner, who knows nothing of 4.
    await zombie.write(recordsOf([3, 4]));
    await owner.write(recordsOf([4, 5]));
    await zombie.write(recordsOf([5, 6]));
    await owner.write(recordsOf([6]));
    await zombie.close();
    await owner.close();
    expect(await values(key)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("two writers at the same time write each record once", async () => {
    const key = streams.fresh();
    const checkpoint = await begun(key);
    const writers = await Promise.all([open(key, checkpoint), open(key, checkpoint), open(key, checkpoint)]);
    await Promise.all(
      writers.map(async (writer, i) => {
        for (let from = 3; from < 600; from += 10 + i) await writer.write(recordsOf(numbers(from, Math.min(from + 9 + i, 600))));
        await writer.close();
      }),
    );
    expect(await values(key)).toEqual(numbers(1, 600));
  });

  test("entries of others between ours do no harm, however many", async () => {
    const key = streams.fresh();
    const checkpoint = await begun(key);
    const writer = await open(key, checkpoint);
    await streams.add(key, "x");
    await writer.write(recordsOf([3]));
    await streams.admin.eval("for i = 1, 5000 do redis.call('XADD', KEYS[1], '*', 'n', i, 'millrace', 'another:' .. i) end", 1, key);
    await writer.write(recordsOf([4]));
    await writer.close();
    const successor = await open(key, checkpoint);
    await successor.write(recordsOf([3, 4, 5]));
    await successor.close();
    expect((await values(key)).filter((value) => value !== "theirs")).toEqual([1, 2, 3, 4, 5]);
  });

  test("two sinks of one stream do not take each other's records for their own, whatever their ids", async () => {
    const key = streams.fresh();
    const [one, two] = [await open(key), await open(key)];
    await one.write(recordsOf([1, 2]));
    await two.write(recordsOf([1, 2]));
    await one.write(recordsOf([3]));
    await one.close();
    await two.close();
    expect(await values(key)).toEqual([1, 2, 1, 2, 3]);
  });

  test("a writer whose entries after the checkpoint were removed appends nothing; its successor goes on with what is left", async () => {
    const key = streams.fresh();
    const checkpoint = await begun(key);
    const zombie = await open(key, checkpoint);
    const owner = await open(key, checkpoint);
    await owner.write(recordsOf([3, 4]));
    await streams.admin.xtrim(key, "MAXLEN", 1);
    await expect(zombie.write(recordsOf([3]))).rejects.toThrow(SinkUnavailableError);
    await owner.write(recordsOf([5]));
    expect(await values(key)).toEqual([4, 5]);
    await zombie.close();
    await owner.close();
    const successor = await open(key, checkpoint);
    await successor.write(recordsOf([4, 5, 6]));
    await successor.close();
    expect(await values(key)).toEqual([4, 5, 6]);
  });

  test("trimming of what was committed is nothing to a writer", async () => {
    const key = streams.fresh();
    const checkpoint = await begun(key);
    await streams.admin.xtrim(key, "MAXLEN", 0);
    const writer = await open(key, checkpoint);
    await writer.write(recordsOf([3]));
    await streams.admin.xtrim(key, "MAXLEN", 0);
    await writer.write(recordsOf([4]));
    await writer.close();
    expect(await values(key)).toEqual([4]);
  });
});

describe("Redis", () => {
  test("that is killed and restarted loses and doubles nothing; a write meanwhile fails for no record", async () => {
    const key = streams.fresh();
    let checkpoint = await begun(key);
    for (const round of [0, 1]) {
      const writer = await open(key, checkpoint);
      const before = recordsOf([10 * round + 3, 10 * round + 4]);
      await writer.write(before);
      await streams.server.kill();
      await expect(writer.write(recordsOf([10 * round + 5]))).rejects.toThrow(SinkUnavailableError);
      await writer.close();
      await expect(open(key, checkpoint)).rejects.toThrow(SinkUnavailableError);
      await streams.server.start();
      const successor = await open(key, checkpoint);
      checkpoint = await successor.write([...before, ...recordsOf([10 * round + 5])]);
      await successor.close();
    }
    expect(await values(key)).toEqual([1, 2, 3, 4, 5, 13, 14, 15]);
  });

  test("that is killed amid writes has each record once", async () => {
    const key = streams.fresh();
    const writer = await open(key);
    const { initial } = writer;
    const failing = (async () => {
      for (let from = 1; ; from += 50) await writer.write(recordsOf(numbers(from, from + 49)));
    })();
    await expect.poll(() => streams.admin.xlen(key)).toBeGreaterThan(500);
    const restarted = streams.server.restart("SIGKILL");
    await expect(failing).rejects.toThrow(SinkUnavailableError);
    await restarted;
    const successor = await open(key, initial);
    const written = await streams.admin.xlen(key);
    await successor.write(recordsOf(numbers(1, 1_000 + written)));
    await successor.close();
    expect(await values(key)).toEqual(numbers(1, 1_000 + written));
  });

  test("whose stream was deleted, made anew, or cut has lost data", async () => {
    const key = streams.fresh();
    const checkpoint = await begun(key);
    await streams.admin.del(key);
    await expect(open(key, checkpoint)).rejects.toThrow(SinkLostDataError);
    await streams.admin.xadd(key, "5-0", "n", 1);
    await expect(open(key, checkpoint)).rejects.toThrow(/ends with entry 5-0, number 1, but was written up to .*, number 2/);
    await streams.admin.del(key);
    await streams.add(key, 1);
    await expect(open(key, checkpoint)).rejects.toThrow(SinkLostDataError);
  });

  test("that is full, or may not be written to, counts against no record", async () => {
    const key = streams.fresh();
    const writer = await open(key);
    await streams.admin.config("SET", "maxmemory", 1);
    await expect(writer.write(recordsOf([1]))).rejects.toThrow(SinkUnavailableError);
    await streams.admin.config("SET", "maxmemory", 0);
    await writer.write(recordsOf([1]));
    await writer.close();
    expect(await values(key)).toEqual([1]);
  });

  test("that has lost its scripts is given them again", async () => {
    const key = streams.fresh();
    const writer = await open(key);
    await writer.write(recordsOf([1]));
    await streams.admin.script("FLUSH");
    await writer.write(recordsOf([2]));
    await writer.close();
    expect(await values(key)).toEqual([1, 2]);
  });

  test("where the key is no stream, or the password is wrong, is refused with a sentence", async () => {
    const key = streams.fresh();
    await streams.admin.set(key, "text");
    await expect(open(key)).rejects.toThrow(/^Redis stream .*: the key holds something that is not a stream/);
    await streams.admin.call("ACL", "SETUSER", "writer", "on", ">secret", "~*", "+@all");
    const wrong = open(key, undefined, { connection: `redis://writer:wrong@127.0.0.1:${streams.server.port}` });
    await expect(wrong).rejects.toThrow(ConfigError);
    await expect(wrong).rejects.toThrow(/does not take the user name or password/);
  });
});

describe("what cannot be meant", () => {
  test("a checkpoint of another stream, or of another sink, is refused", async () => {
    const key = streams.fresh();
    const checkpoint = await begun(key);
    await expect(open(streams.fresh(), checkpoint)).rejects.toThrow(/has written to the stream/);
    await expect(open(key, { bytes: 5, tail: "" })).rejects.toThrow(ConfigError);
  });

  test("a client of the user's is neither used nor closed", async () => {
    const client = new Redis(streams.server.socket, { lazyConnect: true });
    const key = streams.fresh();
    const writer = await open(key, undefined, { connection: client });
    await writer.write(recordsOf([1]));
    await writer.close();
    expect(client.status).toBe("wait");
    client.disconnect();
  });

  test.each<[string, string, object]>([
    ["no key", "", {}],
    ["an unknown option", "a", { maxlen: 5_000 }],
    ["a connection to what is no Redis", "a", { connection: "http://localhost" }],
    ["fields that are no function", "a", { fields: ["a"] }],
    ["a maxLength below one write", "a", { maxLength: 1_000 }],
    ["a maxLength that is no number", "a", { maxLength: "5000" }],
  ])("%s is refused when it is written", (_, key, options) => {
    const write = (): unknown => toRedisStream(key, { connection: "redis://localhost", ...options } as RedisStreamSinkOptions<unknown>);
    expect(write).toThrow(ConfigError);
    expect(write).toThrow(/^toRedisStream/);
  });
});
