/** Announcements: who is alive, by the store's clock. Where the clock is the server's, times are short and waited for. */
import { expect } from "vitest";
import type { Define } from "./bench.ts";
import { LEASE, counter } from "./values.ts";

const SHORT = 40;

export function workers(define: Define): void {
  define("a worker that announces itself hears of itself and of those before it, in order of their names", async ({ store }) => {
    expect((await store.announce("b", LEASE)).workers).toEqual(["b"]);
    expect((await store.announce("c", LEASE)).workers).toEqual(["b", "c"]);
    expect((await store.announce("A", LEASE)).workers).toEqual(["A", "b", "c"]);
    expect((await store.announce("b", LEASE)).workers).toEqual(["A", "b", "c"]);
  });

  define("an announcement tells the store's clock", async (bench) => {
    const { now } = await bench.store.announce("a", LEASE);
    await bench.advance(5);
    expect((await bench.store.announce("a", LEASE)).now).toBeGreaterThan(now);
  });

  define("an announcement tells the version of the stored graph, from the change on", async ({ store, graph }) => {
    const heard = async () => (await store.announce("a", LEASE)).graph;
    expect(await heard()).toBe(graph.version);
    expect(await store.init({ ...graph, version: graph.version + 1 }, graph.version)).toBe("stored");
    expect(await heard()).toBe(graph.version + 1);
  });

  define("a worker whose time is over is not heard of, and one that prolonged it is", async (bench) => {
    await bench.store.announce("dies", SHORT);
    await bench.store.announce("lives", SHORT);
    await bench.store.announce("lives", LEASE);
    await bench.advance(SHORT);
    expect((await bench.store.announce("other", LEASE)).workers).toEqual(["lives", "other"]);
  });

  define("a shorter announcement takes the place of a longer one", async (bench) => {
    await bench.store.announce("a", LEASE);
    await bench.store.announce("a", SHORT);
    await bench.advance(SHORT);
    expect((await bench.store.announce("b", LEASE)).workers).toEqual(["b"]);
  });

  define("a worker that was thought dead is heard of again", async (bench) => {
    await bench.store.announce("a", SHORT);
    await bench.advance(SHORT);
    await bench.store.announce("b", LEASE);
    expect((await bench.store.announce("a", LEASE)).workers).toEqual(["a", "b"]);
  });

  define("a worker that has departed is not heard of any more, whoever else has or has not", async ({ store }) => {
    await store.announce("a", LEASE);
    await store.announce("b", LEASE);
    await store.depart("a");
    await store.depart("a");
    await store.depart("never-there");
    expect((await store.announce("b", LEASE)).workers).toEqual(["b"]);
    await store.depart("b");
    expect((await store.announce("c", LEASE)).workers).toEqual(["c"]);
  });

  define("announcements and departures change nothing else that is stored, and no lease", async (bench) => {
    await bench.acquire(counter, "a");
    await bench.unchanged(async () => {
      await bench.store.announce("a", LEASE);
      await bench.store.announce("b", LEASE);
      await bench.store.depart("a");
    });
  });

  define("who asks hears what each worker that is alive said of itself last, and until when it is", async (bench) => {
    await bench.store.announce("silent", LEASE);
    await bench.store.announce("b", LEASE, '{"at":1}');
    const { now } = await bench.store.announce("b", LEASE, '{"at":2}');
    await bench.store.announce("dies", SHORT, "soon");
    await bench.store.announce("leaves", LEASE, "at once");
    await bench.store.depart("leaves");
    await bench.advance(SHORT);
    const read = await bench.store.readWorkers();
    expect(read.workers.map(({ worker, about }) => [worker, about])).toEqual([
      ["b", '{"at":2}'],
      ["silent", undefined],
    ]);
    expect(read.workers[0]!.until).toBe(now + LEASE);
    expect(read.now).toBeGreaterThanOrEqual(now + SHORT);
    await bench.store.announce("dies", LEASE);
    expect((await bench.store.readWorkers()).workers.map(({ worker, about }) => [worker, about])).toContainEqual(["dies", undefined]);
  });

  define("workers of another pipeline are not heard of", async (bench) => {
    const other = await bench.openOther();
    await other.init({ ...bench.graph, pipeline: `${bench.pipeline}-other` }, undefined);
    await other.announce("theirs", LEASE);
    expect((await bench.store.announce("ours", LEASE)).workers).toEqual(["ours"]);
    expect((await bench.store.readWorkers()).workers.map(({ worker }) => worker)).toEqual(["ours"]);
  });
}
