/** Reading from outside (`src/store/reader.ts`): what an audit sees of a shard is what was committed to it. */
import { expect } from "vitest";
import { indexOf, participantOf } from "../../../src/key.ts";
import type { EntryKind, Page, StoreReader, TimeKind } from "../../../src/store/reader.ts";
import { PARCEL_IDENTITY_BYTES } from "../../../src/store/commit.ts";
import { append, type Bench, bytes, consumed, counter, COUNTER, type Define, identity, JOINER, joiner, report, REPORT, source, SOURCE, text } from "./bench.ts";

async function reading<T>(bench: Bench, look: (reader: StoreReader) => Promise<T>): Promise<T> {
  const reader = await bench.under.read(bench.pipeline);
  try {
    return await look(reader);
  } finally {
    await reader.close();
  }
}

async function all<Entry>(page: (cursor: string | undefined) => Promise<Page<Entry>>): Promise<Entry[]> {
  const entries: Entry[] = [];
  let cursor: string | undefined;
  do {
    const { entries: some, next } = await page(cursor);
    entries.push(...some);
    cursor = next;
  } while (cursor !== undefined);
  return entries;
}

const valuesOf = (reader: StoreReader, shard: number, kind: EntryKind, limit = 3) => all((cursor) => reader.readEntries(shard, kind, cursor, limit));
const timesOf = (reader: StoreReader, shard: number, kind: TimeKind, limit = 3) => all((cursor) => reader.readTimes(shard, kind, cursor, limit));

/** By name, each once: a page may give an entry again. */
const byName = (entries: readonly { readonly name: string; readonly bytes: Uint8Array | undefined }[]) =>
  Object.fromEntries(entries.map(({ name, bytes }) => [name, text(bytes)]));

export function readingFromOutside(define: Define): void {
  define("a reader sees the pipeline among those of the store, its graph, and nothing that the graph does not account for", async (bench) => {
    expect(await bench.under.pipelines()).toContain(bench.pipeline);
    await reading(bench, async (reader) => {
      expect(await reader.readGraph()).toEqual(bench.graph);
      expect(await reader.readStrays(bench.graph)).toEqual([]);
      expect(reader.description).not.toBe("");
    });
  });

  define("a reader is refused a pipeline that has no data", async (bench) => {
    await expect(bench.under.read(`${bench.pipeline}-none`)).rejects.toThrow(/give/);
  });

  define("values are read whole with the number of the commit that they are as of", async (bench) => {
    await reading(bench, async (reader) => {
      expect(await reader.readValues(counter, ["1:a", "1:b"])).toEqual({ number: 0, values: [undefined, undefined] });
    });
    const whole = "x".repeat(5_000);
    const owner = await bench.acquire(counter);
    await owner.commit({ stateFields: ["1:a", "1:c"], stateValues: [bytes(whole), bytes("c")] });
    await bench.store.flushed();
    await reading(bench, async (reader) => {
      const { number, values } = await reader.readValues(counter, ["1:c", "1:b", "1:a"]);
      expect([number, values.map(text)]).toEqual([1, ["c", undefined, whole]]);
    });
  });

  define("the head of a shard before its first commit has nothing, and neither has anything else of it", async (bench) => {
    await reading(bench, async (reader) => {
      const head = await reader.readHead(counter);
      expect(head).toMatchObject({ shard: counter, monotonic: 0, leaseUntil: 0, number: 0, id: "", position: 0, offset: 0, tail: 0, queued: 0, parcels: 0 });
      expect([head.sequencer, head.owner, head.image, head.consumed.length]).toEqual([undefined, undefined, undefined, 0]);
      const { counted, there } = await reader.countEntries(counter);
      expect(counted).toEqual({ state: 0, held: 0, dead: 0, outbox: 0, watermark: 0, wall: 0, holds: 0, ids: 0 });
      expect(there).toEqual(counted);
      expect(await reader.readParcels(counter, 0, 10)).toEqual({ from: 0, position: 0, offset: 0, tail: 0, queued: 0, parcels: [] });
    });
  });

  define("the head of a shard is what acquiring and committing have made of it", async (bench) => {
    const owner = await bench.acquire(counter, "w 1");
    const first = await owner.commit({ image: bytes("one") });
    await owner.commit({ id: "the second", image: bytes("two"), parcels: [append(counter, "a", 3), append(counter, "b", 2)] });
    await owner.commit({ id: "the third", image: bytes("three"), consumed: consumed(1, 1, 4, "b") });
    await bench.store.flushed();
    await reading(bench, async (reader) => {
      const head = await reader.readHead(counter);
      expect(head).toMatchObject({
        owner: "w 1",
        sequencer: owner.sequencer,
        number: 3,
        id: "the third",
        position: 1,
        offset: 1,
        tail: 2,
        queued: 1,
        parcels: 1,
      });
      expect(head.monotonic).toBe(Number(owner.sequencer.split(".")[0]));
      expect(head.leaseUntil).toBeGreaterThan(first.now);
      expect([text(head.image), text(head.consumed)]).toEqual(["three", text(identity("a"))]);
      expect(head.consumed).toHaveLength(PARCEL_IDENTITY_BYTES);
    });
  });

  define("parcels are read from where they are kept, with the positions and the count of that moment", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ parcels: ["a", "b", "c", "d"].map((name) => append(counter, name, 2)) });
    await owner.commit({ consumed: consumed(1, 1, 3, "b") });
    await bench.store.flushed();
    await reading(bench, async (reader) => {
      const page = await reader.readParcels(counter, 0, 2);
      expect(page).toMatchObject({ from: 1, position: 1, offset: 1, tail: 4, queued: 5 });
      expect(page.parcels.map((parcel) => text(parcel)?.replace(/\.+$/, ""))).toEqual(["b", "c"]);
      const rest = await reader.readParcels(counter, 3, 2);
      expect([rest.from, rest.parcels.map((parcel) => text(parcel)?.replace(/\.+$/, ""))]).toEqual([3, ["d"]]);
    });
  });

  define("all entries of all kinds are on the pages, whatever their size, and are counted", async (bench) => {
    const owner = await bench.acquire(counter);
    const names = Array.from({ length: 300 }, (_, n) => `2:key ${n} \u00e4\u{1f600}`);
    const members = names.map((name, n) => ({ member: name, time: (n % 7) * 1_000_000_000 }));
    await owner.commit({
      stateFields: names,
      stateValues: names.map((name) => bytes(name)),
      timerSets: members.flatMap(({ member, time }) => [
        { clock: "watermark" as const, member, time },
        { clock: "wall" as const, member, time: time + 1 },
      ]),
      holdSets: members.map(({ member, time }) => ({ member: `t:${member}`, time: time - 1 })),
      heldPuts: [3, 1, 2].map((id) => ({ id, bytes: bytes(`held ${id} ${"x".repeat(1_000)}`) })),
      deadPuts: [{ id: 7, bytes: bytes("dead") }],
    });
    await bench.store.flushed();
    await reading(bench, async (reader) => {
      expect(byName(await valuesOf(reader, counter, "state", 17))).toEqual(Object.fromEntries(names.map((name) => [name, name])));
      for (const [kind, by] of [
        ["watermark", 0],
        ["wall", 1],
        ["holds", -1],
      ] as const) {
        const found = await timesOf(reader, counter, kind, 17);
        expect(Object.fromEntries(found.map(({ member, time }) => [member, time]))).toEqual(
          Object.fromEntries(members.map(({ member, time }) => [kind === "holds" ? `t:${member}` : member, time + by])),
        );
        expect(found.every(({ ordered }) => ordered)).toBe(true);
      }
      expect(byName(await valuesOf(reader, counter, "held"))).toEqual(
        Object.fromEntries([1, 2, 3].map((id) => [String(id), `held ${id} ${"x".repeat(1_000)}`])),
      );
      expect(byName(await valuesOf(reader, counter, "dead"))).toEqual({ 7: "dead" });
      const { counted, there } = await reader.countEntries(counter);
      expect(counted).toEqual({ state: 300, held: 3, dead: 1, outbox: 0, watermark: 300, wall: 300, holds: 300, ids: 0 });
      expect(there).toEqual(counted);
    });
  });

  define("client ids and outbox entries are read by their names", async (bench) => {
    const owner = await bench.acquire(source);
    await owner.commit({
      ids: [
        { id: "a", timestamp: 5 },
        { id: "b", timestamp: 6 },
      ],
      outbox: [{ ...append(report, "p", 2, "body"), n: 1 }],
    });
    await bench.store.flushed();
    await reading(bench, async (reader) => {
      expect(await timesOf(reader, source, "ids")).toEqual([
        { member: "a", time: 5, ordered: true },
        { member: "b", time: 6, ordered: true },
      ]);
      const [entry, ...more] = await valuesOf(reader, source, "outbox");
      expect(more).toEqual([]);
      expect(entry?.name).toBe(`${report}:${owner.sequencer.split(".")[0]}.1`);
      expect(text(entry?.bytes)).toMatch(/^p\.+body$/);
    });
  });

  define("entries are looked up by name; what is not there is undefined, and only that", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({
      stateFields: ["2:a"],
      stateValues: [bytes("A")],
      timerSets: [
        { clock: "watermark", member: "3:0:a", time: 5 },
        { clock: "wall", member: "4:0:a", time: 6 },
      ],
      holdSets: [{ member: "k:a", time: 0 }],
    });
    await bench.store.flushed();
    await reading(bench, async (reader) => {
      const found = await reader.lookUp(counter, { state: ["2:a", "2:b"], watermark: ["none", "3:0:a"], wall: ["4:0:a"], holds: ["k:b", "k:a"] });
      expect(found.state.map(text)).toEqual(["A", undefined]);
      expect([found.watermark, found.wall, found.holds]).toEqual([[undefined, 5], [6], [undefined, 0]]);
      expect(await reader.lookUp(counter, { state: [], watermark: [], wall: [], holds: [] })).toEqual({ state: [], watermark: [], wall: [], holds: [] });
    });
  });

  define("the authority of every participant is read as it was registered and reported", async (bench) => {
    const [granted] = await bench.store.register("w /1", [{ participant: JOINER, shards: [0, 2], of: 4 }]);
    const generation = granted?.generation ?? 0;
    await bench.report("w /1", { participant: JOINER, generation, output: 70, status: "idle", last: 90 });
    await bench.acquire(joiner);
    await bench.reopen();
    await reading(bench, async (reader) => {
      const authorities = await reader.readAuthorities([SOURCE, COUNTER, JOINER, REPORT, 99]);
      expect([...authorities.keys()]).toEqual([SOURCE, COUNTER, JOINER, REPORT]);
      const known = authorities.get(JOINER);
      expect(known?.owners).toEqual(["w /1", null, "w /1", null]);
      expect(known?.cells.map(({ worker, shards, output, status }) => [worker, shards, output, status])).toEqual(
        expect.arrayContaining([
          ["w /1", 2, 70, "idle"],
          [null, 2, -1, "live"],
        ]),
      );
      expect(known?.published).toMatchObject({ output: -1, status: "live" });
      expect(authorities.get(SOURCE)?.owners).toEqual([null, null]);
    });
  });

  define("reading changes nothing", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ stateFields: ["2:a"], stateValues: [bytes("A")], parcels: [append(joiner, "a")] });
    await bench.unchanged(() =>
      reading(bench, async (reader) => {
        for (const { id, shards } of bench.graph.participants) {
          for (let index = 0; index < shards; index++) {
            const shard = id * 65_536 + index;
            expect([participantOf(shard), indexOf(shard)]).toEqual([id, index]);
            await Promise.all([
              reader.readHead(shard),
              reader.countEntries(shard),
              reader.readParcels(shard, 0, 10),
              valuesOf(reader, shard, "state"),
              timesOf(reader, shard, "holds"),
            ]);
          }
        }
      }),
    );
  });
}
