/** What the tests of Redis Streams share: one server, streams on it by their own names, and readers as the engine has them. */
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect } from "vitest";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { InjectorSource, SourceItem, SourceReader } from "../../src/injectors/injector.ts";
import { type RedisServer, type RedisServerOptions, startRedis } from "../support/redis-server.ts";
import { expectedTallies, foundTallies, type Tally } from "./tally.ts";

/**
 * A server that loses nothing when it is killed. With "everysec", Redis holds back what it has answered from the file for
 * up to two seconds, while the disk is busy with an earlier second.
 */
export const KILLABLE: RedisServerOptions = { tcp: true, args: ["--appendfsync", "always"] };

export interface Streams {
  readonly server: RedisServer;
  /** A client of the test's own. */
  readonly admin: Redis;
  /** A key that no other test has. */
  fresh(): string;
  /** Adds entries with one field `n`; gives their ids. */
  add(key: string, ...values: readonly (string | number)[]): Promise<string[]>;
  /** All entries by plain XRANGE: their fields. */
  entries(key: string): Promise<Record<string, string>[]>;
}

export function useStreams(options: RedisServerOptions = {}): Streams {
  let server: RedisServer | undefined;
  let admin: Redis | undefined;
  let used = 0;
  beforeAll(async () => {
    server = await startRedis(options);
    admin = new Redis(server.socket, { protocol: 2, retryStrategy: () => 20 });
    admin.on("error", () => {});
  });
  afterAll(async () => {
    admin?.disconnect();
    await server?.stop();
  });
  return {
    get server() {
      return server!;
    },
    get admin() {
      return admin!;
    },
    fresh: () => `stream-${++used}`,
    add: async (key, ...values) => {
      const ids: string[] = [];
      for (const value of values) ids.push((await admin!.xadd(key, "*", "n", value))!);
      return ids;
    },
    entries: async (key) => (await admin!.xrange(key, "-", "+")).map(([, texts]) => fieldsOf(texts)),
  };
}

function fieldsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.flatMap((text, i) => (i % 2 === 0 ? [[text, texts[i + 1]!]] : [])));
}

export interface Reading {
  readonly reader: SourceReader;
  readonly warnings: string[];
  /** Items until there are `count`, marks aside. */
  take(count: number): Promise<SourceItem[]>;
  /** The next pull, marks and all. */
  next(): Promise<readonly SourceItem[]>;
  stop(): Promise<void>;
}

/** Opens a source as a worker does. */
export async function reading(source: InjectorSource, position?: unknown, partition = 0, clock: Clock = systemClock): Promise<Reading> {
  const controller = new AbortController();
  const warnings: string[] = [];
  const context = { partition, signal: controller.signal, clock, warn: (text: string) => void warnings.push(text) };
  const reader = await source.open(context, structuredClone(position));
  const next = async (max = 100): Promise<readonly SourceItem[]> => (await reader.pull(max)).items;
  return {
    reader,
    warnings,
    next,
    take: async (count) => {
      const items: SourceItem[] = [];
      while (items.length < count) items.push(...(await next(count - items.length)).filter(({ mark }) => mark !== true));
      return items;
    },
    stop: async () => {
      controller.abort();
      await reader.close();
    },
  };
}

/** Reads so many entries and closes: their values, and the position after them. */
export async function taken(source: InjectorSource, count: number, position?: unknown, partition = 0): Promise<{ values: unknown[]; position: unknown }> {
  const opened = await reading(source, position, partition);
  try {
    const items = await opened.take(count);
    return { values: items.map(({ value }) => value), position: items.at(-1)?.position };
  } finally {
    await opened.stop();
  }
}

/** Adds numbers in turns to the streams. */
export async function addNumbers(admin: Redis, to: readonly string[], first: number, count: number): Promise<void> {
  const pipeline = admin.pipeline();
  for (let number = first; number < first + count; number++) pipeline.xadd(to[number % to.length]!, "*", "n", number);
  await pipeline.exec();
}

/** Waits until there are as many results as there were numbers, and looks whether they are those. */
export async function expectExact(entries: () => Promise<readonly Readonly<Record<string, string>>[]>, count: number): Promise<void> {
  await expect.poll(async () => foundTallies(await entries()).counted.length, { interval: 20 }).toBeGreaterThanOrEqual(count);
  const all = await entries();
  expect(doubledIn(all)).toEqual([]);
  expect(foundTallies(all)).toEqual(expectedTallies(count));
}

/** Results that are there twice, with where they stand and the ids of their records. */
function doubledIn(entries: readonly Readonly<Record<string, string>>[]): string[] {
  const places = new Map<string, string[]>();
  entries.forEach(({ value, millrace }, at) => {
    if (value === undefined) return;
    const { key, n, sum } = JSON.parse(value) as Tally;
    places.set(`${key} ${n}`, [...(places.get(`${key} ${n}`) ?? []), `${at}: ${sum}, ${millrace}`]);
  });
  return [...places].filter(([, at]) => at.length > 1).map(([result, at]) => `${result} at ${at.join(", and ")}`);
}
