import { renameSync, truncateSync, writeFileSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/errors.ts";
import { type FileOptions, fromFile } from "../../src/injectors/from-file.ts";
import type { SourceItem, SourceReader } from "../../src/injectors/injector.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { byHand } from "../../src/watermark/by-hand.ts";
import { readingContext } from "../support/reading.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const path = temporaryDirectory();

function file(content: string | Uint8Array, name = "a.ndjson"): string {
  const at = path(name);
  writeFileSync(at, content);
  return at;
}
const values = (items: readonly SourceItem[]): unknown[] => items.map((item) => item.value);

describe("following", () => {
  /** A reader on a virtual clock. `next` moves it until something has come. */
  async function following(
    at: string,
    position?: unknown,
    options: FileOptions<unknown> = {},
  ): Promise<{ reader: SourceReader; next: () => Promise<unknown[]>; abort: () => void; clock: VirtualClock }> {
    const context = readingContext();
    const reader = await fromFile(at, { follow: true, ...options }).open(context, position);
    const next = async (): Promise<unknown[]> => values(await settled(reader.pull(10), context.clock));
    return { reader, next, abort: () => context.abort(), clock: context.clock };
  }
  /** Lets the clock's wake-ups happen until the pull has settled: what it waits for besides is real I/O. */
  async function settled(pull: ReturnType<SourceReader["pull"]>, clock: VirtualClock): Promise<readonly SourceItem[]> {
    let open = true;
    const done = pull.finally(() => (open = false));
    done.catch(() => {});
    while (open) {
      if (clock.next() !== undefined) clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return (await done).items;
  }
  /** Waits until the reader has found nothing and sleeps. */
  async function asleep(clock: VirtualClock): Promise<void> {
    while (clock.next() === undefined) await new Promise((resolve) => setImmediate(resolve));
  }

  test("what is appended comes, and a partial line waits for its end", async () => {
    const at = file("1\n");
    const { reader, next, clock } = await following(at);
    expect(await next()).toEqual([1]);
    const waiting = reader.pull(10);
    await asleep(clock);
    await appendFile(at, '{"a":');
    clock.advance(100);
    await asleep(clock);
    await appendFile(at, '"é"}\n3\n4');
    expect(values(await settled(waiting, clock))).toEqual([{ a: "é" }, 3]);
    await appendFile(at, "4\n");
    expect(await next()).toEqual([44]);
    await reader.close();
  });

  test("an empty file is waited for, with its header, mark and all", async () => {
    const at = file("", "a.csv");
    const { reader, clock } = await following(at);
    const waiting = reader.pull(10);
    for (const part of [Buffer.of(0xef), Buffer.of(0xbb, 0xbf), "a,b", "\n", '1,"', "2\n", '"\n']) {
      await asleep(clock);
      await appendFile(at, part);
      clock.advance(100);
    }
    const items = await settled(waiting, clock);
    expect(values(items)).toEqual([{ a: "1", b: "2\n" }]);
    await reader.close();
    await appendFile(at, "3,4\n");
    const again = await following(at, items[0]!.position);
    expect(await again.next()).toEqual([{ a: "3", b: "4" }]);
    await again.reader.close();
  });

  test("the file is looked at every 100 ms, not at 99", async () => {
    const at = file("1\n");
    const { reader, next, clock } = await following(at);
    await next();
    const waiting = reader.pull(10);
    await asleep(clock);
    await appendFile(at, "2\n");
    clock.advance(99);
    expect(clock.next()).toBe(100);
    clock.advance(1);
    expect(values((await waiting).items)).toEqual([2]);
    await reader.close();
  });

  test("a waiting pull ends with the signal and leaves no wake-up behind", async () => {
    const { reader, next, abort, clock } = await following(file("1\n"));
    await next();
    const waiting = reader.pull(10);
    await asleep(clock);
    abort();
    expect(await waiting).toEqual({ items: [], done: false });
    expect(clock.next()).toBeUndefined();
    await reader.close();
  });

  test("a pushed promise ends a wait, as a mark after the last item", async () => {
    const watermark = byHand();
    const { reader, clock } = await following(file("1\n"), undefined, { watermark });
    const { items } = await reader.pull(10);
    const waiting = reader.pull(10);
    await asleep(clock);
    watermark.advanceWatermark(500);
    expect(await waiting).toEqual({ items: [{ value: undefined, position: items[0]!.position, watermark: 500, mark: true }], done: false });
    await reader.close();
  });

  test.each<[string, (at: string) => void, RegExp]>([
    ["cut", (at) => truncateSync(at, 2), /has 2 bytes, but 4 were read/],
    ["replaced", (at) => (renameSync(at, `${at}.1`), writeFileSync(at, "1\n2\n3\n")), /was replaced by another file/],
    ["written anew, shorter", (at) => writeFileSync(at, "7\n"), /has 2 bytes, but 4 were read/],
    ["written anew, as long", (at) => writeFileSync(at, "7\n8\n"), /does not begin as it did/],
    ["written anew, longer", (at) => writeFileSync(at, "7\n8\n9\n"), /does not begin as it did/],
  ])("a file that is %s while it is followed is refused", async (_, harm, message) => {
    const at = file("1\n2\n");
    const { reader, next, clock } = await following(at);
    expect(await next()).toEqual([1, 2]);
    const waiting = reader.pull(10);
    // It is awaited below; until then nobody looks at it.
    waiting.catch(() => {});
    await asleep(clock);
    harm(at);
    const failed = settled(waiting, clock);
    await expect(failed).rejects.toThrow(ConfigError);
    await expect(failed).rejects.toThrow(message);
    await reader.close();
  });
});
