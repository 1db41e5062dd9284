/** Consuming an inbox: positions, offsets, and that a parcel is consumed only by one who names it. */
import { expect } from "vitest";
import type { Bench, Define, Owner } from "./bench.ts";
import { append, bytes, consumed, counter, identity, joiner, source } from "./values.ts";

/** An owner of `counter`, in whose inbox are p1 to p4, of three records each. */
async function filled(bench: Bench): Promise<Owner> {
  const sender = await bench.acquire(source);
  await sender.commit({ parcels: ["p1", "p2", "p3", "p4"].map((name) => append(counter, name, 3)) });
  return bench.acquire(counter);
}

const progress = async (bench: Bench): Promise<number[]> => {
  const { position, offset, tail, queued } = await bench.recover(counter);
  return [position, offset, tail, queued];
};

export function consumption(define: Define): void {
  whole(define);
  partial(define);
  nothingNew(define);
  refused(define);
  concurrent(define);
}

function whole(define: Define): void {
  define("consuming one parcel takes it from the inbox and leaves the others", async (bench) => {
    const owner = await filled(bench);
    await owner.commit({ consumed: consumed(1, 0, 3, "p1") });
    expect(await progress(bench)).toEqual([1, 0, 4, 9]);
    expect(await bench.inbox(counter)).toEqual(["p2", "p3", "p4"]);
  });

  define("several parcels are consumed at once by naming the last", async (bench) => {
    const owner = await filled(bench);
    await owner.commit({ consumed: consumed(3, 0, 9, "p3") });
    expect(await progress(bench)).toEqual([3, 0, 4, 3]);
    expect(await bench.inbox(counter)).toEqual(["p4"]);
  });

  define("an inbox may be consumed to its very end, and goes on from there", async (bench) => {
    const owner = await filled(bench);
    await owner.commit({ consumed: consumed(4, 0, 12, "p4") });
    expect([await progress(bench), await bench.inbox(counter)]).toEqual([[4, 0, 4, 0], []]);
    const again = await bench.acquire(source);
    await again.commit({ parcels: [append(counter, "p5", 2)] });
    expect([await progress(bench), await bench.inbox(counter)]).toEqual([[4, 0, 5, 2], ["p5"]]);
    await owner.commit({ consumed: consumed(5, 0, 2, "p5") });
    expect(await progress(bench)).toEqual([5, 0, 5, 0]);
  });

  define("parcels are consumed one by one through many commits", async (bench) => {
    const sender = await bench.acquire(source);
    const owner = await bench.acquire(counter);
    for (let i = 1; i <= 150; i++) {
      await sender.commit({ parcels: [append(counter, `n${i}`, 1), append(counter, `m${i}`, 1)] });
      await owner.commit({ consumed: consumed(i, 0, 1, i % 2 === 1 ? `n${(i + 1) / 2}` : `m${i / 2}`) });
    }
    expect(await progress(bench)).toEqual([150, 0, 300, 150]);
    expect((await bench.inbox(counter))[0]).toBe("n76");
  });

  define("a commit that consumes nothing leaves the inbox alone", async (bench) => {
    const owner = await filled(bench);
    await owner.commit();
    expect(await progress(bench)).toEqual([0, 0, 4, 12]);
  });

  define("only the first 24 bytes of a parcel identify it", async (bench) => {
    const sender = await bench.acquire(source);
    await sender.commit({ parcels: [append(counter, "p1", 1, "a long body ".repeat(100))] });
    await (await bench.acquire(counter)).commit({ consumed: consumed(1, 0, 1, "p1") });
    expect(await bench.inbox(counter)).toEqual([]);
  });

  define("identities are compared as bytes: NUL, newline, quotes, high bytes, and a difference in the last one", async (bench) => {
    const head = Uint8Array.from([0, 10, 13, 34, 39, 92, 255, 128, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 200, 201, 202, 203, 0]);
    const sender = await bench.acquire(source);
    await sender.commit({ parcels: [{ target: counter, records: 1, bytes: Uint8Array.from([...head, 7, 7]) }] });
    const owner = await bench.acquire(counter);
    const other = Uint8Array.from(head);
    other[23] = 1;
    await bench.unchanged(async () => expect(await owner.outcome({ consumed: { position: 1, offset: 0, records: 1, identity: other } })).toBe("gap"));
    await owner.commit({ consumed: { position: 1, offset: 0, records: 1, identity: head } });
    await bench.unchanged(async () => expect(await owner.outcome({ consumed: { position: 1, offset: 0, records: 0, identity: other } })).toBe("gap"));
    await owner.commit({ consumed: { position: 1, offset: 0, records: 0, identity: head } });
  });
}

function partial(define: Define): void {
  define("a parcel may be consumed in part: it stays, and its offset is kept", async (bench) => {
    const owner = await filled(bench);
    await owner.commit({ consumed: consumed(0, 2, 2, "p1") });
    expect([await progress(bench), await bench.inbox(counter)]).toEqual([
      [0, 2, 4, 10],
      ["p1", "p2", "p3", "p4"],
    ]);
  });

  define("a part of a later parcel is consumed together with those before it", async (bench) => {
    const owner = await filled(bench);
    await owner.commit({ consumed: consumed(2, 1, 7, "p3") });
    expect([await progress(bench), await bench.inbox(counter)]).toEqual([
      [2, 1, 4, 5],
      ["p3", "p4"],
    ]);
  });

  define("the rest of a parcel consumed in part is consumed later", async (bench) => {
    const owner = await filled(bench);
    await owner.commit({ consumed: consumed(0, 1, 1, "p1") });
    await owner.commit({ consumed: consumed(0, 2, 1, "p1") });
    await owner.commit({ consumed: consumed(1, 0, 1, "p1") });
    expect(await progress(bench)).toEqual([1, 0, 4, 9]);
    await owner.commit({ consumed: consumed(1, 1, 1, "p2") });
    await owner.commit({ consumed: consumed(3, 2, 7, "p4") });
    expect([await progress(bench), await bench.inbox(counter)]).toEqual([[3, 2, 4, 1], ["p4"]]);
  });

  define("a successor starts where its predecessor's offset stands", async (bench) => {
    await (await filled(bench)).commit({ consumed: consumed(1, 2, 5, "p2") });
    const successor = await bench.acquire(counter, "w2");
    expect(await progress(bench)).toEqual([1, 2, 4, 7]);
    await successor.commit({ consumed: consumed(2, 0, 1, "p2") });
    expect(await progress(bench)).toEqual([2, 0, 4, 6]);
  });
}

function nothingNew(define: Define): void {
  define("at the beginning there is no parcel to name: the identity is empty", async (bench) => {
    const owner = await filled(bench);
    await bench.unchanged(async () => expect(await owner.outcome({ consumed: consumed(0, 0, 0, "p1") })).toBe("gap"));
    expect(await owner.outcome({ consumed: consumed(0, 0, 0, "") })).toBe("committed");
    expect(await progress(bench)).toEqual([0, 0, 4, 12]);
  });

  define("a commit that consumes nothing new still names the last consumed parcel, which the store remembers", async (bench) => {
    const owner = await filled(bench);
    await owner.commit({ consumed: consumed(2, 0, 6, "p2") });
    for (const wrong of ["p1", "p3", ""]) {
      await bench.unchanged(async () => expect(await owner.outcome({ consumed: consumed(2, 0, 0, wrong) })).toBe("gap"));
    }
    await owner.commit({ consumed: consumed(2, 0, 0, "p2") });
    expect(await progress(bench)).toEqual([2, 0, 4, 6]);
  });

  define("the last consumed parcel is remembered after the inbox was emptied and after a reopen", async (bench) => {
    const owner = await filled(bench);
    await owner.commit({ consumed: consumed(4, 0, 12, "p4") });
    await bench.reopen();
    const successor = await bench.acquire(counter);
    await bench.unchanged(async () => expect(await successor.outcome({ consumed: consumed(4, 0, 0, "p3") })).toBe("gap"));
    await successor.commit({ consumed: consumed(4, 0, 0, "p4") });
  });

  define("an unchanged offset names the parcel that it is in", async (bench) => {
    const owner = await filled(bench);
    await owner.commit({ consumed: consumed(1, 2, 5, "p2") });
    await bench.unchanged(async () => expect(await owner.outcome({ consumed: consumed(1, 2, 0, "p1") })).toBe("gap"));
    await owner.commit({ consumed: consumed(1, 2, 0, "p2") });
  });
}

function refused(define: Define): void {
  const gap = (name: string, position: number, offset: number, records: number, parcel: string): void => {
    define(name, async (bench) => {
      const owner = await filled(bench);
      await owner.commit({ consumed: consumed(1, 1, 4, "p2") });
      await bench.unchanged(async () =>
        expect(await owner.outcome({ consumed: consumed(position, offset, records, parcel), image: bytes("wrong") })).toBe("gap"),
      );
      expect(await owner.outcome({ consumed: consumed(2, 0, 2, "p2") })).toBe("committed");
    });
  };
  gap("a position behind the stored one is a gap", 0, 2, 0, "p1");
  gap("the stored position with a smaller offset is a gap", 1, 0, 0, "p1");
  gap("naming the parcel before the consumed one is a gap", 2, 0, 2, "p1");
  gap("naming the parcel after the consumed one is a gap", 2, 0, 2, "p3");
  gap("naming the parcel after one consumed in part is a gap", 1, 2, 1, "p3");
  gap("naming the parcel before one consumed in part is a gap", 2, 1, 3, "p2");
  gap("naming a parcel that never was is a gap", 2, 0, 2, "other");
  gap("naming no parcel where one is consumed is a gap", 2, 0, 2, "");
  gap("one position beyond the tail is a gap", 5, 0, 12, "p4");
  gap("an offset at the tail is a gap: there is no parcel", 4, 1, 8, "p4");
  gap("a position far beyond the tail is a gap", 2 ** 40, 0, 8, "p4");

  define("a part of the identity does not name a parcel", async (bench) => {
    const owner = await filled(bench);
    for (const wrong of [identity("p1").subarray(0, 23), Uint8Array.from([...identity("p1"), 0]), identity("p1").subarray(0, 0)]) {
      await bench.unchanged(async () => expect(await owner.outcome({ consumed: { position: 1, offset: 0, records: 3, identity: wrong } })).toBe("gap"));
    }
    await owner.commit({ consumed: { position: 1, offset: 0, records: 3, identity: identity("p1") } });
  });

  define("phantom read-ahead: another parcel stands where the lost one stood; it is not consumed in its place", async (bench) => {
    // The owner read p ahead; then the store lost p's append, and q took its place. The owner's own number still fits.
    const sender = await bench.acquire(source);
    await sender.commit({ parcels: [append(counter, "q")] });
    const owner = await bench.acquire(counter);
    await bench.unchanged(async () => expect(await owner.outcome({ consumed: consumed(1, 0, 1, "p"), parcels: [append(joiner, "made of p")] })).toBe("gap"));
    expect([await bench.inbox(counter), await bench.inbox(joiner)]).toEqual([["q"], []]);
    await owner.commit({ consumed: consumed(1, 0, 1, "q"), parcels: [append(joiner, "made of q")] });
    expect(await bench.inbox(joiner)).toEqual(["made of q"]);
  });

  define("phantom read-ahead in the middle: only the last parcel is compared, and it is the one that differs", async (bench) => {
    const sender = await bench.acquire(source);
    await sender.commit({ parcels: [append(counter, "kept"), append(counter, "other")] });
    const owner = await bench.acquire(counter);
    await bench.unchanged(async () => expect(await owner.outcome({ consumed: consumed(2, 0, 2, "lost") })).toBe("gap"));
    await owner.commit({ consumed: consumed(1, 0, 1, "kept") });
  });

  define("a phantom beyond the tail is a gap: the parcel that was read is not there", async (bench) => {
    const owner = await bench.acquire(counter);
    await bench.unchanged(async () => expect(await owner.outcome({ consumed: consumed(1, 0, 1, "lost") })).toBe("gap"));
    await bench.unchanged(async () => expect(await owner.outcome({ consumed: consumed(0, 1, 1, "lost") })).toBe("gap"));
  });
}

function concurrent(define: Define): void {
  define("a list may consume from an inbox that another commit of it appends to, in either order", async (bench) => {
    const owner = await filled(bench);
    const sender = await bench.acquire(source);
    const eat = owner.seal({ consumed: consumed(1, 0, 3, "p1") });
    const feed = sender.seal({ parcels: [append(counter, "p5", 2)] });
    expect((await bench.store.commit([eat, feed])).outcomes).toEqual(["committed", "committed"]);
    expect([await progress(bench), await bench.inbox(counter)]).toEqual([
      [1, 0, 5, 11],
      ["p2", "p3", "p4", "p5"],
    ]);
    owner.number += 1;
    sender.number += 1;
    const reply = await bench.store.commit([sender.seal({ parcels: [append(counter, "p6", 1)] }), owner.seal({ consumed: consumed(2, 0, 3, "p2") })]);
    expect([reply.outcomes, reply.tails]).toEqual([["committed", "committed"], [{ shard: counter, tail: 6, queued: 9 }]]);
    expect([await progress(bench), await bench.inbox(counter)]).toEqual([
      [2, 0, 6, 9],
      ["p3", "p4", "p5", "p6"],
    ]);
  });

  define("a commit may consume all of its inbox and append to it", async (bench) => {
    const owner = await filled(bench);
    const reply = await owner.commit({ consumed: consumed(4, 0, 12, "p4"), parcels: [append(counter, "p5", 7)] });
    expect(reply.tails).toEqual([{ shard: counter, tail: 5, queued: 7 }]);
    expect([await progress(bench), await bench.inbox(counter)]).toEqual([[4, 0, 5, 7], ["p5"]]);
    await owner.commit({ consumed: consumed(5, 0, 7, "p5") });
  });

  define("an emptied inbox that is filled within the same list keeps its positions", async (bench) => {
    const owner = await filled(bench);
    const sender = await bench.acquire(source);
    await bench.store.commit([
      owner.seal({ consumed: consumed(4, 0, 12, "p4") }),
      sender.seal({ parcels: [append(counter, "p5", 1), append(counter, "p6", 1)] }),
    ]);
    expect([await progress(bench), await bench.inbox(counter)]).toEqual([
      [4, 0, 6, 2],
      ["p5", "p6"],
    ]);
  });
}
