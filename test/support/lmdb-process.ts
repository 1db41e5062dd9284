/**
 * A process of its own for `test/store/lmdb-store.test.ts`. Opens an LMDB store, says what came of it as lines of JSON,
 * and then does what its second argument says:
 *
 *   hold <n>   makes n commits, says so, and lives on until it is ended
 *   fill       commits until the files may not grow further (it is started with a limit on their size), then goes on
 */
import { systemClock } from "../../src/clock.ts";
import { systemRandom } from "../../src/random.ts";
import { LmdbStore } from "../../src/store/lmdb-store.ts";
import type { PipelineStore } from "../../src/store/store.ts";
import { append, bytes, counter, GRAPH, LEASE, NOTHING, report } from "../store/conformance/values.ts";

const [, , directory = "", task, count = "0"] = process.argv;
const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

try {
  const store = await new LmdbStore(directory).open({ pipeline: "p", clock: systemClock, random: systemRandom });
  say("opened");
  if ((await store.readGraph()) === undefined) await store.init(GRAPH, undefined);
  if (task === "hold") await hold(store, Number(count));
  else await fill(store);
} catch (error) {
  say({ refused: `${(error as Error).name}: ${(error as Error).message}` });
}

async function sequencerOf(store: PipelineStore): Promise<string> {
  const [outcome] = await store.acquire({ worker: "child", shards: [counter], leaseMs: LEASE, steal: true });
  return outcome?.kind === "acquired" ? outcome.sequencer : "";
}

async function commit(store: PipelineStore, sequencer: string, number: number, size: number): Promise<unknown> {
  const value = bytes(`value ${number} `.padEnd(size, "."));
  const sealed = {
    ...NOTHING,
    shard: counter,
    sequencer,
    number,
    id: `id ${number}`,
    stateFields: [`2:${number}`],
    stateValues: [value],
    parcels: [append(report, `parcel ${number}`)],
  };
  return (await store.commit([sealed])).outcomes[0];
}

async function hold(store: PipelineStore, commits: number): Promise<void> {
  const sequencer = await sequencerOf(store);
  for (let number = 1; number <= commits; number++) await commit(store, sequencer, number, 100);
  say({ committed: commits });
  setInterval(() => {}, 1_000_000);
}

async function fill(store: PipelineStore): Promise<void> {
  const before = store.generation;
  const sequencer = await sequencerOf(store);
  let number = 0;
  let failure: unknown;
  while (failure === undefined && number < 1_000) {
    // Two at once: the second builds on the first, which may fail.
    const both = await Promise.allSettled([commit(store, sequencer, number + 1, 100_000), commit(store, sequencer, number + 2, 100)]);
    for (const each of both) {
      if (each.status === "fulfilled" && each.value === "committed") number += 1;
      else failure ??= each.status === "rejected" ? `${(each.reason as Error).name}: ${(each.reason as Error).message}` : each.value;
    }
  }
  const [stored] = await store.recover([counter], { timers: 0, holds: 0 });
  const risen = store.generation - before;
  say({ number, stored: stored?.number, states: stored?.stateCount, tail: (await store.readTails([report])).tails[0]?.tail, failure, risen });
  await store.close();
}
