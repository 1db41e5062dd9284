/** `copy` on the real stores: everything arrives, keys stay in order, and what runs on the copy gives what it would have given. */
import { expect, test } from "vitest";
import { audit } from "../../src/inspect/index.ts";
import { copy } from "../../src/offline/copy.ts";
import { realStores, type StoreName, Trial } from "../worker/real-stores.ts";
import { type Bank, bankPipeline, expected, newBank, PAYMENTS, surroundings } from "./bank.ts";
import { MemoryStore, run, type Store } from "../../src/index.ts";
import { Killed, MortalStore } from "./mortal-store.ts";

const storeOf = realStores();
/** A busy machine may take long. */
const until = (look: () => unknown, expected: unknown) => expect.poll(look, { interval: 5, timeout: 60_000 }).toEqual(expected);

/** Runs the bank until as much as possible is under way, and stops it. */
async function stoppedBank(store: () => Store, bank: Bank, shards: number): Promise<void> {
  bank.mode = "blocked";
  const trial = new Trial(store);
  await trial.start(bankPipeline(bank, shards), { http: false });
  // The board takes nothing more, so the ledger pauses, and what the till has goes on waiting before it.
  await until(() => trial.counted("till", "processed") > PAYMENTS - 1_000 && trial.counted("ledger", "deadLetters") > 1, true);
  await trial.stop();
}

async function finishedBank(store: () => Store, bank: Bank, shards: number): Promise<void> {
  bank.mode = "open";
  const trial = new Trial(store);
  await trial.start(bankPipeline(bank, shards), { http: false });
  await until(() => trial.output("board"), 2 ** 53 - 1);
  await trial.stop();
}

const cases: [StoreName, StoreName, number, number][] = [
  ["memory", "lmdb", 8, 8],
  ["lmdb", "lmdb", 8, 8],
  ["redis", "redis", 8, 8],
  ["redis", "memory", 8, 8],
  ["lmdb", "redis", 8, 3],
  ["redis", "lmdb", 8, 16],
  ["memory", "memory", 9, 7],
];

test.each(cases)(
  "a pipeline that was stopped on %s goes on from a copy on %s (%i to %i shards) as if it had not moved",
  async (from, to, before, after) => {
    const bank = newBank();
    const [source, target] = [storeOf(from), storeOf(to)];
    await stoppedBank(source, bank, before);
    const report = await copy({ ...surroundings, from: source(), to: target(), shards: after });
    expect(report).toMatchObject({ differences: [], differing: 0, violations: 0, resumed: false, shards: after });
    const ledger = report.participants.find(({ name }) => name === "ledger")!.counts;
    // Else nothing would have been proved of what is under way.
    for (const kind of ["state", "watermark", "wall", "holds", "held", "dead", "waiting"] as const) expect([kind, ledger[kind][0] > 0]).toEqual([kind, true]);
    expect(report.participants.find(({ name }) => name === "till")!.counts.ids[0]).toBeGreaterThan(0);
    await finishedBank(target, bank, after);
    expect(bank.lines).toEqual(expected());
    expect((await audit(target(), { pipeline: "bank" })).violations).toBe(0);
  },
  120_000,
);

test("a copy that was killed at any of its writing calls goes on when it is given again, and nothing is lost or twice there", async () => {
  const bank = newBank();
  const source = storeOf("memory");
  await stoppedBank(source, bank, 8);
  const whole = new MortalStore(new MemoryStore(), Number.POSITIVE_INFINITY, false);
  await copy({ ...surroundings, from: source(), to: whole, shards: 3 });
  expect(whole.calls).toBeGreaterThan(30);
  // Each third, both ways in turn: with all of them it takes minutes.
  for (let at = 1; at <= whole.calls; at += 3) {
    const target = new MemoryStore();
    const applied = at % 2 === 0;
    const killed = await copy({ ...surroundings, from: source(), to: new MortalStore(target, at, applied), shards: 3 }).then(
      () => undefined,
      (error: unknown) => error,
    );
    // Of what comes after the end, nobody hears.
    if (killed === undefined) continue;
    expect(killed).toBeInstanceOf(Killed);
    const graph = await (await target.open({ ...surroundings, pipeline: "bank" })).readGraph();
    if (graph?.format === 1) continue;
    if (graph !== undefined)
      await expect(run(bankPipeline(bank, 3), { store: target })).rejects.toThrow(
        /is not complete: millrace copy from memory was stopped before its end; give that/,
      );
    const report = await copy({ ...surroundings, from: source(), to: target, shards: 3 });
    expect([at, report.differences, report.violations, report.resumed]).toEqual([at, [], 0, graph !== undefined]);
  }
}, 240_000);

test("killed at every eleventh call again and again, a copy from LMDB to Redis arrives, and goes on as if it had not moved", async () => {
  const bank = newBank();
  const [source, target] = [storeOf("lmdb"), storeOf("redis")];
  await stoppedBank(source, bank, 8);
  let deaths = 0;
  for (; ; deaths++) {
    const report = await copy({ ...surroundings, from: source(), to: new MortalStore(target(), 11 + deaths, deaths % 2 === 0), shards: 4 }).catch(
      (error: unknown) => error,
    );
    if (report instanceof Killed) continue;
    expect(report).toMatchObject({ differences: [], violations: 0, resumed: true });
    break;
  }
  expect(deaths).toBeGreaterThan(3);
  await finishedBank(target, bank, 4);
  expect(bank.lines).toEqual(expected());
}, 240_000);

test("an unfinished copy of data that has changed since is refused, and so is a target that has the pipeline; neither is touched", async () => {
  const bank = newBank();
  const [source, target] = [storeOf("memory"), new MemoryStore()];
  await stoppedBank(source, bank, 8);
  await expect(copy({ ...surroundings, from: source(), to: new MortalStore(target, 20, true), shards: 3 })).rejects.toThrow(Killed);
  await expect(copy({ ...surroundings, from: source(), to: target, shards: 4 })).rejects.toThrow(
    /has the unfinished copy of other data \(from memory, to 3 shards\): delete the data/,
  );
  await expect(copy({ ...surroundings, from: target, to: new MemoryStore() })).rejects.toThrow(
    /has only a part of pipeline "bank": millrace copy was stopped before its end/,
  );
  await finishedBank(source, bank, 8);
  await expect(copy({ ...surroundings, from: source(), to: target, shards: 3 })).rejects.toThrow(/has the unfinished copy of other data/);
  await expect(copy({ ...surroundings, from: source(), to: source() })).rejects.toThrow(/has pipeline "bank" already: give another store/);
  await expect(copy({ ...surroundings, from: source(), to: new MemoryStore(), pipeline: "till" })).rejects.toThrow(/has no pipeline "till"; it has bank/);
  expect(bank.lines).toEqual(expected());
}, 240_000);
