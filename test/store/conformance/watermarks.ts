/** The watermark authority, as the store keeps it. Its algebra alone is tested in `test/watermark/authority.test.ts`. */
import { expect } from "vitest";
import { InvariantError } from "../../../src/errors.ts";
import type { Status } from "../../../src/store/store.ts";
import { BEGINNING, END } from "../../../src/time.ts";
import { type Bench, type Define } from "./bench.ts";
import { COUNTER, JOINER, REPORT, SOURCE, append, counter, report as reportShard } from "./values.ts";

async function register(bench: Bench, worker: string, shards: readonly number[], participant = COUNTER, of = 4): Promise<number> {
  const [registration] = await bench.store.register(worker, [{ participant, shards, of }]);
  expect(registration?.participant).toBe(participant);
  return registration!.generation;
}

/** Reports for the counter; says whether it was refused. */
async function report(
  bench: Bench,
  worker: string,
  generation: number,
  output: number,
  status: Status = "live",
  last = BEGINNING,
): Promise<"taken" | "refused"> {
  const { refused } = await bench.report(worker, { participant: COUNTER, generation, output, status, last });
  return refused.includes(COUNTER) ? "refused" : "taken";
}

async function published(bench: Bench, participant = COUNTER): Promise<unknown[]> {
  const found = (await bench.store.report("nobody", [])).watermarks.find((each) => each.participant === participant)!;
  return [found.output, found.status, found.last];
}

export function watermarks(define: Define): void {
  values(define);
  refusals(define);
  handOver(define);
  statuses(define);
  replies(define);
}

function values(define: Define): void {
  define("of every participant the beginning is published at first", async (bench) => {
    const { watermarks } = await bench.store.report("w1", []);
    expect(watermarks).toEqual([SOURCE, COUNTER, JOINER, REPORT].map((participant) => ({ participant, output: BEGINNING, status: "live", last: BEGINNING })));
  });

  define("the sole owner's report is published", async (bench) => {
    const generation = await register(bench, "w1", [0, 1, 2, 3]);
    expect(await report(bench, "w1", generation, 100, "live", 150)).toBe("taken");
    expect(await published(bench)).toEqual([100, "live", 150]);
  });

  define("what is published never falls, nor does a worker's own value", async (bench) => {
    const [one, two] = [await register(bench, "w1", [0, 1]), await register(bench, "w2", [2, 3])];
    await report(bench, "w1", one, 100, "live", 300);
    await report(bench, "w2", two, 50, "live", 200);
    await report(bench, "w1", one, 20, "live", 20);
    await report(bench, "w2", two, 200);
    expect(await published(bench)).toEqual([100, "live", 300]);
  });

  define("of several workers the least is published", async (bench) => {
    const [one, two] = [await register(bench, "w1", [0, 2]), await register(bench, "w2", [1, 3])];
    await report(bench, "w1", one, 100);
    expect(await published(bench)).toEqual([BEGINNING, "live", BEGINNING]);
    await report(bench, "w2", two, 70);
    expect(await published(bench)).toEqual([70, "live", BEGINNING]);
    await report(bench, "w2", two, 130);
    expect(await published(bench)).toEqual([100, "live", BEGINNING]);
  });

  define("shards that no one has registered pin the participant", async (bench) => {
    const generation = await register(bench, "w1", [0, 1, 2]);
    await report(bench, "w1", generation, 100);
    expect(await published(bench)).toEqual([BEGINNING, "live", BEGINNING]);
    const all = await register(bench, "w1", [0, 1, 2, 3]);
    await report(bench, "w1", all, 100);
    expect((await published(bench))[0]).toBe(100);
  });

  define("values up to END are kept exactly", async (bench) => {
    const generation = await register(bench, "w1", [0, 1, 2, 3]);
    for (const output of [0, 1, 2 ** 31, 2 ** 32 + 1, 1_700_000_000_001, END - 1, END]) {
      await report(bench, "w1", generation, output, "live", output);
      expect(await published(bench)).toEqual([output, "live", output]);
    }
  });

  define("participants have values of their own", async (bench) => {
    const [registered] = await bench.store.register("w1", [
      { participant: COUNTER, shards: [0, 1, 2, 3], of: 4 },
      { participant: REPORT, shards: [0], of: 1 },
    ]);
    await report(bench, "w1", registered!.generation, 100);
    expect([await published(bench), await published(bench, REPORT)]).toEqual([
      [100, "live", BEGINNING],
      [BEGINNING, "live", BEGINNING],
    ]);
  });
}

function refusals(define: Define): void {
  define("a report of a worker that never registered is refused", async (bench) => {
    await bench.unchanged(async () => expect(await report(bench, "w1", 0, 100, "finished")).toBe("refused"));
    await bench.unchanged(async () => expect(await report(bench, "w1", 1, 100, "finished")).toBe("refused"));
  });

  define("a report with another generation is refused whole", async (bench) => {
    const generation = await register(bench, "w1", [0, 1, 2, 3]);
    for (const wrong of [generation - 1, generation + 1, 0]) {
      await bench.unchanged(async () => expect(await report(bench, "w1", wrong, 100, "finished", 100)).toBe("refused"));
    }
    expect(await report(bench, "w1", generation, 100)).toBe("taken");
  });

  define("a worker that registers again has a new generation, and its earlier one is refused", async (bench) => {
    const before = await register(bench, "w1", [0, 1, 2, 3]);
    const after = await register(bench, "w1", [0, 1, 2, 3]);
    expect(after).toBeGreaterThan(before);
    expect([await report(bench, "w1", before, 100), await report(bench, "w1", after, 100)]).toEqual(["refused", "taken"]);
  });

  define("a worker that lost a shard is refused until it registers again", async (bench) => {
    const one = await register(bench, "w1", [0, 1, 2, 3]);
    await report(bench, "w1", one, 10);
    await register(bench, "w2", [3]);
    await bench.unchanged(async () => expect(await report(bench, "w1", one, 200)).toBe("refused"));
    const again = await register(bench, "w1", [0, 1, 2]);
    expect(await report(bench, "w1", again, 200)).toBe("taken");
  });

  define("a worker that lost all its shards is refused", async (bench) => {
    const one = await register(bench, "w1", [0, 1]);
    const two = await register(bench, "w2", [0, 1, 2, 3]);
    expect([await report(bench, "w1", one, 200), await report(bench, "w2", two, 100)]).toEqual(["refused", "taken"]);
    expect((await published(bench))[0]).toBe(100);
  });

  define("a zombie's report cannot pass what its successor has to do", async (bench) => {
    // The zombie sees fresh upstream values and an empty inbox, but not the timer that the successor has committed.
    const zombie = await register(bench, "zombie", [0, 1, 2, 3]);
    await report(bench, "zombie", zombie, 100);
    const successor = await register(bench, "successor", [0, 1, 2, 3]);
    expect(await report(bench, "successor", successor, 150)).toBe("taken");
    expect(await report(bench, "zombie", zombie, 200)).toBe("refused");
    expect((await published(bench))[0]).toBe(150);
  });

  define("a report about a participant that is not there is refused, others of the call are taken", async (bench) => {
    const generation = await register(bench, "w1", [0, 1, 2, 3]);
    const reply = await bench.store.report("w1", [
      { participant: 99, generation: 1, number: 1, output: 5, status: "live", last: 5 },
      { participant: COUNTER, generation, number: 1, output: 100, status: "live", last: 5 },
      { participant: JOINER, generation, number: 1, output: 100, status: "live", last: 5 },
    ]);
    expect(reply.refused).toEqual([99, JOINER]);
    expect(reply.watermarks.map(({ output }) => output)).toEqual([BEGINNING, 100, BEGINNING, BEGINNING]);
  });

  define("registering a participant or a shard that is not there is an InvariantError and registers nothing", async (bench) => {
    const good = { participant: COUNTER, shards: [0, 1, 2, 3], of: 4 };
    for (const bad of [
      { participant: 99, shards: [0], of: 1 },
      { participant: JOINER, shards: [4], of: 4 },
      { participant: JOINER, shards: [0], of: 5 },
    ]) {
      await expect(bench.store.register("w1", [good, bad])).rejects.toThrow(InvariantError);
    }
    for (const generation of [1, 2, 3]) expect(await report(bench, "w1", generation, 100)).toBe("refused");
  });
}

function handOver(define: Define): void {
  define("whoever registers shards is told the least of what was reported of them, also where it is more than is published", async (bench) => {
    const [first] = await bench.store.register("w1", [{ participant: COUNTER, shards: [0, 1], of: 4 }]);
    expect(first?.output).toBe(BEGINNING);
    const two = await register(bench, "w2", [2, 3]);
    await report(bench, "w1", first!.generation, 100);
    await report(bench, "w2", two, 70);
    const registered = async (worker: string, shards: readonly number[]) =>
      (await bench.store.register(worker, [{ participant: COUNTER, shards, of: 4 }]))[0]?.output;
    expect(await registered("w3", [1])).toBe(100);
    expect(await registered("w3", [1, 2])).toBe(70);
    expect(await registered("w3", [])).toBe(BEGINNING);
    expect(await published(bench)).toEqual([70, "live", BEGINNING]);
  });

  define("shards that change hands bring their value, which holds until the new owner reports", async (bench) => {
    const one = await register(bench, "w1", [0, 1]);
    const two = await register(bench, "w2", [2, 3]);
    await report(bench, "w1", one, 100);
    await report(bench, "w2", two, 60);
    const three = await register(bench, "w3", [2, 3]);
    await report(bench, "w1", one, 500);
    expect((await published(bench))[0]).toBe(60);
    await report(bench, "w3", three, 90);
    expect((await published(bench))[0]).toBe(90);
  });

  define("a new owner of shards of several workers starts from the least of them", async (bench) => {
    const [one, two] = [await register(bench, "w1", [0, 1]), await register(bench, "w2", [2, 3])];
    await report(bench, "w1", one, 100);
    await report(bench, "w2", two, 40);
    const three = await register(bench, "w3", [1, 2]);
    const [again, anew] = [await register(bench, "w1", [0]), await register(bench, "w2", [3])];
    await report(bench, "w1", again, 500);
    await report(bench, "w2", anew, 500);
    expect((await published(bench))[0]).toBe(40);
    await report(bench, "w3", three, 300);
    expect((await published(bench))[0]).toBe(300);
  });

  define("a dead worker pins its last value until its shards are another's", async (bench) => {
    const [dead, alive] = [await register(bench, "dead", [0, 1]), await register(bench, "alive", [2, 3])];
    await report(bench, "dead", dead, 80);
    await report(bench, "alive", alive, 1_000);
    expect((await published(bench))[0]).toBe(80);
    const all = await register(bench, "alive", [0, 1, 2, 3]);
    expect((await published(bench))[0]).toBe(80);
    await report(bench, "alive", all, 1_000);
    expect((await published(bench))[0]).toBe(1_000);
  });

  define("shards given up keep their value and pin, until someone registers them", async (bench) => {
    const all = await register(bench, "w1", [0, 1, 2, 3]);
    await report(bench, "w1", all, 50);
    const half = await register(bench, "w1", [0, 1]);
    await report(bench, "w1", half, 500);
    expect((await published(bench))[0]).toBe(50);
    const two = await register(bench, "w2", [2, 3]);
    await report(bench, "w2", two, 400);
    expect((await published(bench))[0]).toBe(400);
  });

  define("a worker that gives up everything leaves its value, and is refused", async (bench) => {
    const all = await register(bench, "w1", [0, 1, 2, 3]);
    await report(bench, "w1", all, 50, "idle", 70);
    const none = await register(bench, "w1", []);
    expect(await published(bench)).toEqual([50, "live", 70]);
    expect([await report(bench, "w1", none, 500), await report(bench, "w1", all, 500)]).toEqual(["refused", "refused"]);
    const two = await register(bench, "w2", [0, 1, 2, 3]);
    await report(bench, "w2", two, 60);
    expect(await published(bench)).toEqual([60, "live", 70]);
  });

  define("shards given up at different times pin at the least of their values", async (bench) => {
    const all = await register(bench, "w1", [0, 1, 2, 3]);
    await report(bench, "w1", all, 50);
    const three = await register(bench, "w1", [0, 1, 2]);
    await report(bench, "w1", three, 90);
    const two = await register(bench, "w1", [0, 1]);
    await report(bench, "w1", two, 300);
    const other = await register(bench, "w2", [3]);
    await report(bench, "w2", other, 300);
    expect((await published(bench))[0]).toBe(50);
    const last = await register(bench, "w2", [2, 3]);
    await report(bench, "w2", last, 300);
    expect((await published(bench))[0]).toBe(300);
  });

  define("a reopened store has the registrations and values that it had", async (bench) => {
    const one = await register(bench, "w1", [0, 1, 2, 3]);
    await report(bench, "w1", one, 80, "back-pressured", 90);
    await bench.reopen();
    expect(await published(bench)).toEqual([80, "back-pressured", 90]);
    expect(await report(bench, "w1", one, 85)).toBe("taken");
    expect(await register(bench, "w1", [0, 1, 2, 3])).toBeGreaterThan(one);
    expect((await published(bench))[0]).toBe(85);
  });
}

function statuses(define: Define): void {
  const rows: readonly (readonly [Status, Status, Status])[] = [
    ["live", "live", "live"],
    ["live", "idle", "live"],
    ["live", "finished", "live"],
    ["live", "back-pressured", "back-pressured"],
    ["idle", "idle", "idle"],
    ["idle", "finished", "idle"],
    ["idle", "back-pressured", "back-pressured"],
    ["back-pressured", "back-pressured", "back-pressured"],
    ["finished", "back-pressured", "back-pressured"],
    ["finished", "finished", "finished"],
  ];
  for (const [first, second, both] of rows) {
    define(`one worker ${first} and one ${second} are ${both} together`, async (bench) => {
      const [one, two] = [await register(bench, "w1", [0, 1]), await register(bench, "w2", [2, 3])];
      await report(bench, "w1", one, 10, first);
      await report(bench, "w2", two, 20, second);
      const output = first === "finished" && second === "finished" ? END : first === "finished" ? 20 : 10;
      expect(await published(bench)).toEqual([output, both, BEGINNING]);
    });
  }

  define("a status is replaced by the next report, also when no value rises", async (bench) => {
    const generation = await register(bench, "w1", [0, 1, 2, 3]);
    for (const status of ["live", "idle", "back-pressured", "idle", "live"] as const) {
      await report(bench, "w1", generation, 10, status);
      expect(await published(bench)).toEqual([10, status, BEGINNING]);
    }
  });

  define("a finished participant is at END, although its last report said less", async (bench) => {
    const generation = await register(bench, "w1", [0, 1, 2, 3]);
    await report(bench, "w1", generation, 10, "finished", 9);
    expect(await published(bench)).toEqual([END, "finished", 9]);
  });

  define("END stays published when the shards of a finished worker change hands, or it is no longer finished", async (bench) => {
    const one = await register(bench, "w1", [0, 1, 2, 3]);
    await report(bench, "w1", one, 10, "finished", 9);
    await report(bench, "w1", one, 11, "live", 9);
    expect(await published(bench)).toEqual([END, "live", 9]);
    const two = await register(bench, "w2", [0, 1]);
    expect(await published(bench)).toEqual([END, "live", 9]);
    await report(bench, "w2", two, 12, "idle", 9);
    expect(await published(bench)).toEqual([END, "live", 9]);
  });

  define("shards that no one has are live: their participant is neither idle nor finished", async (bench) => {
    const generation = await register(bench, "w1", [0, 1, 2]);
    await report(bench, "w1", generation, 10, "idle");
    expect((await published(bench))[1]).toBe("live");
    await report(bench, "w1", generation, 10, "finished");
    expect(await published(bench)).toEqual([BEGINNING, "live", BEGINNING]);
  });

  define("a report that comes after a newer one of its worker undoes nothing, also if the newer one said nothing new", async (bench) => {
    const generation = await register(bench, "w1", [0, 1, 2, 3]);
    const send = (number: number, status: Status, output = 10) => bench.report("w1", { participant: COUNTER, generation, number, output, status });
    await send(1, "live");
    await send(3, "live");
    expect((await send(2, "idle", 20)).refused).toEqual([]);
    expect(await published(bench)).toEqual([10, "live", BEGINNING]);
    await send(4, "idle");
    expect(await published(bench)).toEqual([10, "idle", BEGINNING]);
  });

  define("a new owner is live until it reports, whatever its predecessor was", async (bench) => {
    const one = await register(bench, "w1", [0, 1, 2, 3]);
    await report(bench, "w1", one, 10, "idle");
    const two = await register(bench, "w2", [0, 1, 2, 3]);
    expect((await published(bench))[1]).toBe("live");
    await report(bench, "w2", two, 10, "idle");
    expect((await published(bench))[1]).toBe("idle");
  });
}

function replies(define: Define): void {
  define("a report's reply already has what it reported", async (bench) => {
    const generation = await register(bench, "w1", [0, 1, 2, 3]);
    const { refused, watermarks } = await bench.report("w1", { participant: COUNTER, generation, output: 33, status: "idle", last: 40 });
    expect(refused).toEqual([]);
    expect(watermarks.find(({ participant }) => participant === COUNTER)).toEqual({ participant: COUNTER, output: 33, status: "idle", last: 40 });
  });

  define("a report tells the appends before it, so that tails read afterwards are no older", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ parcels: [append(reportShard, "p")] });
    const { appends, now } = await bench.store.report("w1", []);
    expect([appends, await bench.store.readTails([reportShard])]).toEqual([1, { tails: [{ shard: reportShard, tail: 1, queued: 1 }], appends: 1 }]);
    expect(now).toBeGreaterThan(0);
  });

  define("generations of workers registered one after the other differ", async (bench) => {
    const generations = [
      await register(bench, "w1", [0]),
      await register(bench, "w2", [1]),
      await register(bench, "w3", [2, 3]),
      await register(bench, "w1", [0, 1]),
    ];
    expect(new Set(generations).size).toBe(4);
  });
}
