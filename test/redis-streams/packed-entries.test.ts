import { describe, expect, test } from "vitest";
import { InvariantError } from "../../src/errors.ts";
import { EntryUnpacker, type StreamEntry } from "../../src/redis-streams/packed-entries.ts";
import { READ_PAGE } from "../../src/redis-streams/scripts.ts";
import { useStreams } from "./streams.ts";

const streams = useStreams();

/** All entries as the script packs them. */
async function unpacked(key: string): Promise<StreamEntry[]> {
  const page = (await streams.admin.callBuffer("EVAL", READ_PAGE.source, "1", key, "0-0", "1000", String(1 << 30))) as readonly unknown[];
  const unpacker = new EntryUnpacker();
  const entries: StreamEntry[] = [];
  for (const pack of page.at(-1) as readonly Buffer[]) unpacker.unpack(pack, (entry) => entries.push(entry));
  return entries;
}

describe("what the script packs", () => {
  test.each([0, 1, 31, 32, 255, 256, 65_535, 65_536, 200_000])("a name and a value of %i bytes are what they were", async (length) => {
    const key = streams.fresh();
    const [name, value] = ["n".repeat(length), "v".repeat(length)];
    const id = await streams.admin.xadd(key, "*", name, value);
    expect(await unpacked(key)).toEqual([{ id, fields: { [name]: value } }]);
  });

  test.each([1, 7, 8, 400])("an entry of %i fields has them all", async (count) => {
    const key = streams.fresh();
    const fields = Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, `€${i}`]));
    await streams.admin.xadd(key, "*", ...Object.entries(fields).flat());
    expect((await unpacked(key)).map((entry) => entry.fields)).toEqual([fields]);
  });

  test("names that change from entry to entry are never those of another one", async () => {
    const key = streams.fresh();
    const given = [{ a: "1", b: "2" }, { a: "3", c: "4" }, { b: "5", a: "6" }, { ab: "7" }, { "": "8", a: "9" }, { a: "1", b: "2" }];
    for (const fields of given) await streams.admin.xadd(key, "*", ...Object.entries(fields).flat());
    expect((await unpacked(key)).map((entry) => entry.fields)).toEqual(given);
  });

  test("more entries than one pack holds stay in their order", async () => {
    const key = streams.fresh();
    const filling = streams.admin.pipeline();
    for (let i = 0; i < 300; i++) filling.xadd(key, "*", "n", i);
    await filling.exec();
    expect((await unpacked(key)).map((entry) => entry.fields["n"])).toEqual(Array.from({ length: 300 }, (_, i) => String(i)));
  });
});

test.each([
  ["a number where a list is due", [0x01]],
  ["a list of three where an entry is due", [0x91, 0x93, 0xa0, 0xa0, 0xa0]],
  ["a list where a text is due", [0x91, 0x92, 0x90, 0x90]],
  ["bytes after its end", [0x90, 0x90]],
])("a pack with %s is refused", (_, bytes) => {
  expect(() => new EntryUnpacker().unpack(Buffer.from(bytes), () => {})).toThrow(InvariantError);
});
