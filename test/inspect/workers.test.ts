/** `/v1/workers`: who works, what each owns and what waits for what, as any worker tells it from what is stored. */
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { workersLines } from "../../src/cli/workers-command.ts";
import {
  Computation,
  type Context,
  fromIterable,
  input,
  ascending,
  MemoryStore,
  output,
  Pipeline,
  type Positioned,
  run,
  sink,
  stream,
} from "../../src/index.ts";
import type { RunningPipeline, StreamRecord } from "../../src/index.ts";
import { endpoint } from "../../src/inspect/endpoint.ts";
import type { WorkersView } from "../../src/inspect/workers-view.ts";
import { shardRef } from "../../src/key.ts";
import { systemRandom } from "../../src/random.ts";
import { workerOf } from "../../src/run.ts";
import { Gate } from "../http/gate.ts";

const POLL = { interval: 10, timeout: 30_000 };
const numbers = stream<number>("numbers");
const sums = stream<number>("sums");

/** Its sink writes only while the gate is open. */
function pipeline(gate: Gate, count: number): Pipeline {
  class Summer extends Computation {
    readonly numbers = input(numbers, { key: (number) => `n${number % 16}` });
    readonly sums = output(sums);
    override processRecord({ value }: StreamRecord<number>, context: Context): void {
      context.produce(this.sums, value);
    }
  }
  const total = sink<number>({
    kind: "sink",
    description: "nowhere",
    attempts: 1,
    open: async () => ({
      write: async () => {
        await gate.pass();
        return 0;
      },
      close: async () => {},
    }),
  });
  async function* source(position: number | undefined): AsyncGenerator<Positioned<number, number>[]> {
    for (let n = (position ?? -1) + 1; n < count; n += 100)
      yield Array.from({ length: 100 }, (_, i) => ({ value: n + i, position: n + i, timestamp: 1_000 + n + i }));
    await new Promise(() => {});
  }
  return new Pipeline("sums", { shards: 4 })
    .inject("numbers", numbers, fromIterable<number, number>(source, { watermark: ascending() }))
    .compute("summer", Summer)
    .sink("total", sums, total);
}

async function started(make: () => Pipeline, ports: readonly boolean[], store: MemoryStore, settles = true): Promise<RunningPipeline[]> {
  const all: RunningPipeline[] = [];
  for (const http of ports) all.push(await run(make(), { store, leaseMs: 5_000, http: http && { port: 0 }, log: () => {} }));
  onTestFinished(async () => {
    for (const each of all) await each.stop();
  });
  const settled = () =>
    all.every((each) => workerOf(each).engine.ownership.membership.workers.length === ports.length && workerOf(each).engine.ownership.complete);
  if (settles) await expect.poll(settled, POLL).toBe(true);
  return all;
}

const ask = (running: RunningPipeline): Promise<WorkersView> => endpoint(running.url ?? "").workers();

test("each worker is shown by any other with its address, its leases, what it owns and what it has done, also one without an endpoint", async () => {
  const store = new MemoryStore({ exclusive: false });
  const all = await started(() => pipeline(new Gate(), 1_000), [true, true, false], store);
  const [first, second, silent] = all as [RunningPipeline, RunningPipeline, RunningPipeline];
  const names = all.map((each) => workerOf(each).name);
  const total = async () => (await ask(first)).workers.reduce((sum, { owned }) => sum + owned, 0);
  await expect.poll(total, POLL).toBe(1 + 4 + 1);
  await expect.poll(async () => (await ask(first)).workers.some(({ counts }) => (counts?.commits ?? 0) > 0), POLL).toBe(true);
  for (const asked of [first, second]) {
    const view = await ask(asked);
    expect([view.pipeline, view.worker]).toEqual(["sums", workerOf(asked).name]);
    expect(view.workers.map(({ worker }) => worker)).toEqual([...names].sort());
    for (const each of all) {
      const { name, engine } = workerOf(each);
      const shown = view.workers.find(({ worker }) => worker === name)!;
      expect([shown.alive, shown.address, shown.pid]).toEqual([true, each.url ?? null, process.pid]);
      expect([shown.owned, shown.lease.ms]).toEqual([engine.shards.size, 5_000]);
      expect(shown.lease.margin! + shown.lease.age!).toBe(5_000);
      const owned = shown.shares.flatMap(({ participant, shards }) => shards.map(({ shard, sequencer }) => `${participant} ${shard} ${sequencer}`));
      expect(owned.sort()).toEqual([...engine.shards.values()].map((shard) => `${shard.name} ${shard.ref % 65_536} ${shard.sequencer}`).sort());
    }
  }
  const balance = async () => (await ask(second)).workers.reduce((sum, { counts }) => sum + counts!.taken - counts!.given - counts!.lost, 0);
  // Each says it of itself, four times a second.
  await expect.poll(balance, POLL).toBe(6);
  const shard = (await endpoint(first.url ?? "").shards({ participant: "numbers" })).shards[0]!;
  expect([shard.sequencer, shard.full]).toEqual([expect.stringMatching(/^\d+\./), false]);
  const lines = workersLines(await ask(first)).join("\n");
  expect(lines).toMatch(new RegExp(`${workerOf(silent).name} +no endpoint`));
  expect(lines).toMatch(/ owns .*summer \d/);
  const text = await (await fetch(`${first.url}/metrics`)).text();
  expect(text).toMatch(/\nmillrace_workers 3\n/);
  expect(text).toMatch(/\nmillrace_moved_shards_total\{how="taken"\} \d+\n/);
});

test("a worker that is dead, or of another version, is shown with what is stored of it, and nothing else", async () => {
  const memory = new MemoryStore({ exclusive: false });
  const [first] = await started(() => pipeline(new Gate(), 1_000), [true], memory);
  const store = await memory.open({ pipeline: "sums", clock: systemClock, random: systemRandom });
  await store.announce("older", 60_000);
  await store.acquire({ worker: "dead", shards: [shardRef(2, 1)], leaseMs: 60_000, steal: true });
  const view = await ask(first!);
  const nothing = { address: null, host: null, pid: null, since: null, counts: null, waitsFor: null };
  expect(view.workers.find(({ worker }) => worker === "older")).toMatchObject({ alive: true, owned: 0, ...nothing });
  expect(view.workers.find(({ worker }) => worker === "dead")).toMatchObject({ alive: false, silentIn: null, owned: 1, ...nothing });
  const lines = workersLines(view).join("\n");
  expect(lines).toMatch(/dead +silent: it hands over, or is dead +unknown/);
  expect(lines).toMatch(/older +unknown +unknown +unknown +- +0 +unknown/);
  await store.depart("older");
});

test("back-pressure is shown with its cause: which inbox is full, whose it is, and who waits for it", { timeout: 60_000 }, async () => {
  const gate = new Gate();
  gate.shut();
  const [first, second] = await started(() => pipeline(gate, 20_000), [true, true], new MemoryStore({ exclusive: false }), false);
  // Not settled: a sink that is writing is handed over when it has written, and the gate is shut.
  const shown = async (): Promise<unknown> => {
    const view = await ask(second!);
    const full = view.backPressure.find(({ participant }) => participant === "total");
    const waits = view.workers.flatMap(({ waitsFor }) => waitsFor ?? []).find(({ participant }) => participant === "summer");
    const line = workersLines(view).find((each) => each.startsWith(`total shard ${full?.shard} is full: `));
    const text = await (await fetch(`${first!.url}/metrics`)).text();
    const gauges = [...text.matchAll(/millrace_waits_for_room\{participant="summer".*\} (\d)/g)].map(([, value]) => value);
    const owned = view.workers.some(({ worker }) => worker === full?.owner);
    return [
      full?.fedBy,
      owned,
      waits?.full.map(({ participant, shard }) => [participant, shard === full?.shard]),
      line?.endsWith(", and summer for them"),
      gauges,
    ];
  };
  await expect.poll(shown, { ...POLL, timeout: 40_000 }).toEqual([["summer"], true, [["total", true]], true, ["1"]]);
  gate.open();
  await expect.poll(async () => (await ask(first!)).backPressure, POLL).toEqual([]);
});

test("a worker that has the store to itself shows itself", async () => {
  const [only] = await started(() => pipeline(new Gate(), 1_000), [true], new MemoryStore());
  await expect.poll(async () => (await ask(only!)).workers[0]?.owned, POLL).toBe(6);
  expect((await ask(only!)).workers).toMatchObject([{ worker: workerOf(only!).name, alive: true, silentIn: null, address: only!.url }]);
});
