/** Chains: commits of one call that are applied all or none. */
import { expect } from "vitest";
import type { Bench, Define, Owner } from "./bench.ts";
import { append, bytes, consumed, counter, joiner, report, source } from "./values.ts";

interface Owners {
  readonly sender: Owner;
  readonly receiver: Owner;
  readonly last: Owner;
  readonly other: Owner;
}

/** Owners of four shards of one domain; in the inbox of the receiver is p1. */
async function owners(bench: Bench): Promise<Owners> {
  const [sender, receiver, last, other] = [await bench.acquire(source), await bench.acquire(counter), await bench.acquire(joiner), await bench.acquire(report)];
  await sender.commit({ parcels: [append(counter, "p1", 3)] });
  return { sender, receiver, last, other };
}

/** A chain of three, and a commit that stands for itself. */
function call({ sender, receiver, last, other }: Owners) {
  return [
    sender.seal({ chain: 7, image: bytes("sent") }),
    receiver.seal({ chain: 7, consumed: consumed(1, 0, 3, "p1"), stateFields: ["2:a"], stateValues: [bytes("received")], parcels: [append(report, "on")] }),
    last.seal({ chain: 7, stateFields: ["2:a"], stateValues: [bytes("last")] }),
    other.seal({ image: bytes("alone"), parcels: [append(counter, "p2", 2)] }),
  ];
}

export function chains(define: Define): void {
  define("a chain of which all pass is applied whole", async (bench) => {
    const { outcomes } = await bench.store.commit(call(await owners(bench)));
    expect(outcomes).toEqual(["committed", "committed", "committed", "committed"]);
    expect([await bench.state(counter, "2:a"), await bench.state(joiner, "2:a")]).toEqual([["received"], ["last"]]);
    expect([await bench.inbox(counter), await bench.inbox(report)]).toEqual([["p2"], ["on"]]);
  });

  for (const nth of [0, 1, 2]) {
    define(`of a chain whose commit ${nth} is fenced nothing is applied; what stands for itself is`, async (bench) => {
      const all = await owners(bench);
      const commits = call(all);
      await bench.acquire([source, counter, joiner][nth] as number, "w2");
      const { outcomes, tails } = await bench.store.commit(commits);
      expect(outcomes).toEqual([...[0, 1, 2].map((n) => (n === nth ? "fenced" : "unchained")), "committed"]);
      expect(tails).toEqual([{ shard: counter, tail: 2, queued: 5 }]);
      expect([await bench.state(counter, "2:a"), await bench.state(joiner, "2:a")]).toEqual([[undefined], [undefined]]);
      expect([await bench.inbox(counter), await bench.inbox(report)]).toEqual([["p1", "p2"], []]);
      expect((await bench.recover(counter)).queued).toBe(5);
    });
  }

  define("where the inbox is not what a commit of a chain consumes from, that is a gap and the chain is not applied", async (bench) => {
    const { sender, receiver } = await owners(bench);
    await bench.unchanged(async () => {
      const { outcomes } = await bench.store.commit([sender.seal({ chain: 1 }), receiver.seal({ chain: 1, consumed: consumed(1, 0, 3, "another") })]);
      expect(outcomes).toEqual(["unchained", "gap"]);
    });
  });

  define("two chains of a call do not hinder each other", async (bench) => {
    const { sender, receiver, last, other } = await owners(bench);
    await bench.acquire(counter, "w2");
    const commits = [sender.seal({ chain: 1 }), last.seal({ chain: 2 }), receiver.seal({ chain: 1 }), other.seal({ chain: 2 })];
    expect((await bench.store.commit(commits)).outcomes).toEqual(["unchained", "committed", "fenced", "committed"]);
  });

  define("a chain that is sent again was applied, also where a shard of it has another owner by then", async (bench) => {
    const all = await owners(bench);
    const commits = call(all).slice(0, 3);
    await bench.store.commit(commits);
    await bench.acquire(counter, "w2");
    await bench.unchanged(async () => {
      expect((await bench.store.commit(commits)).outcomes).toEqual(["already", "fenced", "already"]);
    });
  });
}
