/**
 * A process of its own for `test/store/lmdb-store.test.ts`. Opens an LMDB store, says what came of it as lines of JSON,
 * and then does what its second argument says:
 *
 *   hold <n>   makes n commits, says so, and lives on until it is ended
 *   race       commits to three shards, without end, and says after each round how far it is
 *   fill       commits until the files may not grow further (it is started with a limit on their size), then goes on
 */
import { systemClock } from "../../src/clock.ts";
import { systemRandom } from "../../src/random.ts";
import { LmdbStore } from "../../src/store/lmdb-store.ts";
import type { ShardRef } from "../../src/key.ts";
import type { PipelineStore } from "../../src/store/store.ts";
import { append, bytes, counter, far, GRAPH, joiner, LEASE, NOTHING, report } from "../store/conformance/values.ts";

const [, , directory = "", task, count = "0"] = process.argv;
const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

try {
  const store = await new LmdbStore(directory).open({ pipeline: "p", clock: systemClock, random: systemRandom });
  say("opened");
  if ((await store.readGraph()) === undefined) await store.init(GRAPH, undefined);
  if (task === "hold") await hold(store, Number(count));
  else if (task === "race") await race(store);
  else await fill(store);
} catch (error) {
  say({ refused: `${(error as Error).name}: ${(error as Error).message}` });
}

interface Owner {
  readonly shard: ShardRef;
  readonly sequencer: string;
  number: number;
}

async function acquire(store: PipelineStore, shard: ShardRef): Promise<Owner> {
  const [outcome] = await store.acquire({ worker: "child", shards: [shard], leaseMs: LEASE, steal: true });
  const [stored] = await store.recover([shard], { timers: 0, holds: 0 });
  return { shard, sequencer: outcome?.kind === "acquired" ? outcome.sequencer : "", number: stored?.number ?? 0 };
}

/** Makes the owner's next commit, with a value of `size` bytes; counts it when it is committed. */
async function commit(store: PipelineStore, owner: Owner, size: number): Promise<void> {
  const number = owner.number + 1;
  const value = bytes(`value ${number} `.padEnd(size, "."));
  const parcels = [append(report, `${owner.shard} ${number}`)];
  const sealed = { ...NOTHING, ...owner, number, id: `id ${number}`, stateFields: [`2:${number}`], stateValues: [value], parcels };
  const { outcomes } = await store.commit([sealed]);
  if (outcomes[0] === "committed") owner.number = number;
}

async function hold(store: PipelineStore, commits: number): Promise<void> {
  const owner = await acquire(store, counter);
  for (let i = 0; i < commits; i++) await commit(store, owner, 100);
  say({ committed: owner.number });
  setInterval(() => {}, 1_000_000);
}

async function race(store: PipelineStore): Promise<void> {
  const owners = [await acquire(store, counter), await acquire(store, joiner), await acquire(store, far)];
  for (;;) {
    await Promise.all(owners.map((owner) => commit(store, owner, 300)));
    say(owners.map(({ number }) => number));
  }
}

async function fill(store: PipelineStore): Promise<void> {
  const [large, small] = [await acquire(store, counter), await acquire(store, joiner)];
  let failures: string[] = [];
  while (failures.length === 0 && large.number < 1_000) {
    const first = commit(store, large, 100_000);
    // The first is being written now; the second gathers for the next group.
    await Promise.resolve();
    const both = await Promise.allSettled([first, commit(store, small, 100)]);
    failures = both.flatMap((each) => (each.status === "rejected" ? [`${(each.reason as Error).name}: ${(each.reason as Error).message}`] : []));
  }
  const said = { failures, generation: store.generation, answered: [large.number, small.number] };
  await acquire(store, far);
  const stored = await store.recover([counter, joiner], { timers: 0, holds: 0 });
  const beyond = await Promise.all([large, small].map(({ shard, number }) => store.readState(shard, [`2:${number + 1}`])));
  const [tail] = (await store.readTails([report])).tails;
  say({
    ...said,
    numbers: stored.map(({ number }) => number),
    states: stored.map(({ stateCount }) => stateCount),
    tail: tail?.tail,
    beyond: beyond.flat().filter(Boolean).length,
  });
  await store.close();
}
