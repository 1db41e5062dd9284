/** Work that ends its process: an endless loop, memory without end, an exit. Here: a worker of which nothing is heard from that call on. */
import { describe, expect, test } from "vitest";
import { Bench, type Probing } from "./probe.ts";
import type { RigOptions } from "./rig.ts";

/** Deaths until work that ends its process is given up: three owners in a row, three more doing it alone; each that came on a little is one more. */
const DEATHS = [6, 7, 8];
/** ms after which an owner has begun all that it takes up. */
const PROBATION = 4_000;

class Mortal {
  deaths = 0;
  #died = false;
  bench!: Bench;

  static async start(probing: Partial<Probing> = {}, options: RigOptions = {}): Promise<Mortal> {
    const mortal = new Mortal();
    const done: Probing = {
      onRecord: (record, context, self) => {
        if (record.value.do === "die") mortal.die();
        if (record.value.do === "die-later") return Promise.resolve().then(() => mortal.die());
        self.see(context, record.value.do);
        context.produce(self.results, `${record.key}:${record.value.do}`);
        if (record.value.do.startsWith("set")) context.setTimer(self.event.for(record.value.do), record.timestamp + 10);
        return undefined;
      },
      onTimer: (timer, context, self) => {
        if (timer.tag === "set-and-die") mortal.die();
        context.produce(self.results, `${context.key} due`);
      },
      ...probing,
    };
    mortal.bench = await Bench.start(done, { ...options, mortal: true });
    return mortal;
  }

  /** The process ends: nothing that it would have said is heard, and nothing is heard by it. */
  die(): never {
    // What is dead may still try; no one hears of it.
    if (!this.#died) this.deaths++;
    this.#died = true;
    const never = new Promise<never>(() => {});
    this.bench.rig.line.onCommit = () => never;
    this.bench.rig.line.onCall = () => never;
    throw new Error("there is no one to hear this");
  }

  /** Starts one process after the other until one lives, or `most` have died. */
  async goOn(most = 20): Promise<void> {
    await this.bench.rig.turns(60);
    while (this.#died && this.deaths < most) {
      this.#died = false;
      const { rig } = this.bench;
      await rig.crash();
      await rig.turns(60);
      // Nothing rests where a process has died: its calls are not answered any more.
      rig.clock.advance(PROBATION);
      await rig.turns(60);
    }
  }
}

describe("work that ends its process", () => {
  for (const what of ["die", "die-later"]) {
    test(`is closed in on, done alone and given up; all else is done once, in order (${what})`, async () => {
      const mortal = await Mortal.start({ shards: 4 });
      mortal.bench.feed.pushAll(
        Array.from({ length: 90 }, (_, n) => ({ key: `k${n % 9}`, do: n === 40 ? what : String(n) })),
        (_, n) => n,
      );
      await mortal.goOn();
      await mortal.bench.rig.advance(5_000);
      expect(DEATHS).toContain(mortal.deaths);
      const letters = await mortal.bench.rig.deadLetters("probe");
      expect(letters.map(({ key, timestamp, reason }) => [key, timestamp, reason])).toEqual([
        ["k4", 40, `the process ended 3 times while this was being processed, and nothing else`],
      ]);
      for (let k = 0; k < 9; k++) {
        const mine = Array.from({ length: 10 }, (_, n) => String(9 * n + k)).filter((n) => n !== "40");
        expect(await mortal.bench.seen(`k${k}`)).toEqual(mine);
        expect(mortal.bench.kept.values.filter((value) => value.startsWith(`k${k}:`))).toEqual(mine.map((n) => `k${k}:${n}`));
      }
      expect(await mortal.bench.rig.stored("probe")).toMatchObject({ queued: 0, held: 0, dead: 1 });
    });
  }

  test("is found among timers too", async () => {
    const mortal = await Mortal.start();
    await mortal.bench.give("a:set@1 b:set-and-die@1 c:set@1");
    mortal.bench.feed.promise(100);
    await mortal.goOn();
    await mortal.bench.rig.advance(5_000);
    expect(DEATHS).toContain(mortal.deaths);
    expect((await mortal.bench.rig.deadLetters("probe")).map(({ kind, key, timestamp }) => [kind, key, timestamp])).toEqual([["timer", "b", 11]]);
    expect(mortal.bench.kept.values.filter((value) => value.endsWith("due")).sort()).toEqual(["a due", "c due"]);
    expect(mortal.bench.rig.watermark("probe").output).toBe(100);
  });

  test("costs nothing that is done beside it: where there are two of its kind in two shards, both are given up, and nothing else", async () => {
    const mortal = await Mortal.start({ shards: 8 });
    mortal.bench.feed.pushAll(
      Array.from({ length: 60 }, (_, n) => ({ key: `k${n % 20}`, do: n === 21 || n === 24 ? "die" : String(n) })),
      (_, n) => n,
    );
    await mortal.goOn(40);
    await mortal.bench.rig.advance(5_000);
    const letters = await mortal.bench.rig.deadLetters("probe");
    expect(letters.map(({ key }) => key).sort()).toEqual(["k1", "k4"]);
    expect(mortal.bench.kept.values.filter((value) => /:\d/.test(value))).toHaveLength(58);
    expect(mortal.deaths).toBeLessThanOrEqual(16);
  });

  test("is tried again by an operator like any other dead letter", async () => {
    let deadly = true;
    const mortal: Mortal = await Mortal.start({
      onRecord: (record, context, self) => {
        if (record.value.do === "sometimes" && deadly) mortal.die();
        self.see(context, record.value.do);
      },
    });
    mortal.bench.feed.push({ key: "a", do: "sometimes" }, 1);
    await mortal.goOn();
    deadly = false;
    const { engine } = mortal.bench.rig.worker;
    const [shard] = mortal.bench.rig.shards("probe");
    const letters = await mortal.bench.rig.line.store.readDeadLetters(shard!, 10);
    expect(letters).toHaveLength(1);
    const owned = engine.computation(shard!);
    expect(owned?.revive(letters[0]!.id, (await mortal.bench.rig.deadLetters("probe"))[0]!)).toBeUndefined();
    await mortal.bench.rig.advance(1_000);
    expect(await mortal.bench.seen("a")).toEqual(["sometimes"]);
  });
});

describe("work that a death was not about", () => {
  test("is never given up, however often the process is killed amid other work", async () => {
    const mortal = await Mortal.start({ shards: 4 }, { batchRecords: 4 });
    mortal.bench.feed.pushAll(
      Array.from({ length: 200 }, (_, n) => ({ key: `k${n % 20}`, do: String(n) })),
      (_, n) => n,
    );
    for (let kill = 0; kill < 12; kill++) {
      await mortal.bench.rig.turns(3 + (kill % 5));
      await mortal.bench.rig.crash();
    }
    await mortal.bench.rig.advance(10_000);
    expect(await mortal.bench.rig.deadLetters("probe")).toEqual([]);
    expect(mortal.bench.kept.values).toHaveLength(200);
  });

  test("is done in batches as always while work with a count waits, however often owners are killed meanwhile; the work is begun once they live", async () => {
    const mortal = await Mortal.start({
      onRecord: (record, context, self) => {
        if (record.value.do === "odd" && mortal.deaths < 4) mortal.die();
        self.see(context, record.value.do);
        context.produce(self.results, `${record.key}:${record.value.do}`);
      },
    });
    const { rig, feed } = mortal.bench;
    feed.push({ key: "odd", do: "odd" }, 1);
    // Three owners, and one that died in it alone: it has a count.
    await mortal.goOn(4);
    await rig.crash();
    for (let life = 0; life < 5; life++) {
      const before = rig.line.commits.length;
      feed.pushAll(
        Array.from({ length: 300 }, (_, n) => ({ key: `k${n % 20}`, do: `${life}.${n}` })),
        () => 2,
      );
      feed.push({ key: "odd", do: `${life}` }, 2);
      await rig.turns(200);
      expect(mortal.bench.kept.values).toHaveLength(300 * (life + 1));
      // Of the first ones it cannot be known what they are.
      expect(rig.line.commits.length - before).toBeLessThan(life === 0 ? 200 : 30);
      await rig.crash();
    }
    await rig.advance(PROBATION);
    expect(mortal.deaths).toBe(4);
    expect(await rig.deadLetters("probe")).toEqual([]);
    expect(mortal.bench.kept.values.filter((value) => value.startsWith("odd:"))).toEqual(["odd:odd", "odd:0", "odd:1", "odd:2", "odd:3", "odd:4"]);
  });

  test("makes one shard more suspicious, not all that its worker has: those that close in begin one after the other", async () => {
    const mortal: Mortal = await Mortal.start({
      shards: 8,
      onRecord: (record, context, self) => {
        if (mortal.deaths < 4) {
          begun.push(new Set(rig.line.commits.map(({ shard }) => shard).filter((shard) => rig.shards("probe").includes(shard))).size);
          mortal.die();
        }
        self.see(context, record.value.do);
        context.produce(self.results, `${record.key}:${record.value.do}`);
      },
    });
    const { rig, feed, kept } = mortal.bench;
    const begun: number[] = [];
    feed.pushAll(
      Array.from({ length: 200 }, (_, n) => ({ key: `k${n % 40}`, do: String(n) })),
      (_, n) => n,
    );
    await mortal.goOn(4);
    expect(mortal.deaths).toBe(4);
    expect([begun[0], begun.at(-1)]).toEqual([0, 1]);
    expect(begun).toContain(8);
    await mortal.goOn();
    await rig.advance(10_000);
    expect(await rig.deadLetters("probe")).toEqual([]);
    expect(kept.values).toHaveLength(200);
    for (let k = 0; k < 40; k++) expect(await mortal.bench.seen(`k${k}`)).toEqual([0, 1, 2, 3, 4].map((turn) => String(40 * turn + k)));
  });

  test("a failure like any other ends what its process is suspected of", async () => {
    let failures = 2;
    const mortal: Mortal = await Mortal.start({
      onRecord: (record, context, self) => {
        if (record.value.do === "odd" && mortal.deaths < 3) mortal.die();
        if (record.value.do === "odd" && failures-- > 0) throw new Error("not yet");
        self.see(context, record.value.do);
      },
    });
    mortal.bench.feed.push({ key: "a", do: "odd" }, 1).push({ key: "a", do: "next" }, 2);
    await mortal.goOn();
    await mortal.bench.rig.advance(60_000);
    expect(mortal.deaths).toBe(3);
    expect(await mortal.bench.rig.deadLetters("probe")).toEqual([]);
    expect(await mortal.bench.seen("a")).toEqual(["odd", "next"]);
  });
});

test("where no owner has died, nothing is committed to begin with, and no image is longer (G3)", async () => {
  const mortal = await Mortal.start();
  await mortal.bench.give("a:set@1");
  await mortal.bench.rig.worker.driver.stop(1_000);
  await mortal.bench.rig.crash();
  const { rig } = mortal.bench;
  expect(rig.line.commits.filter(({ shard }) => shard === rig.shards("probe")[0])).toEqual([]);
  await mortal.bench.give("a:2@2");
  for (const { image } of rig.line.commits) expect(image[0]).toBe(1);
});
