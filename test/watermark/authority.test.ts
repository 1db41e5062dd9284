/** The algebra of the watermark authority, over single steps and over whole random histories. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvariantError } from "../../src/errors.ts";
import type { Status } from "../../src/store/store.ts";
import { BEGINNING, END } from "../../src/time.ts";
import { type Authority, newAuthority, register, report } from "../../src/watermark/authority.ts";

fc.configureGlobal({ seed: 1 });

/** An authority with what workers remember of their generations. */
class History {
  authority: Authority;
  readonly granted = new Map<string, number>();
  #reports = 0;

  constructor(shards: number) {
    this.authority = newAuthority(shards);
  }

  register(worker: string, ...shards: number[]): this {
    const { authority, granted } = register(this.authority, worker, shards);
    this.authority = authority;
    this.granted.set(worker, granted);
    return this;
  }

  report(worker: string, output: number, status: Status = "live", last = BEGINNING, number = ++this.#reports): "taken" | "refused" {
    const taken = report(this.authority, worker, { generation: this.granted.get(worker) ?? 0, number, output, status, last });
    this.authority = taken ?? this.authority;
    return taken === undefined ? "refused" : "taken";
  }

  cell(worker: string | null) {
    return this.authority.cells.find((cell) => cell.worker === worker);
  }
  get output(): number {
    return this.authority.published.output;
  }
}

describe("cells", () => {
  test("at first all shards are in the cell of no one, at the beginning, live", () => {
    expect(newAuthority(3)).toEqual({
      generation: 0,
      owners: [null, null, null],
      cells: [{ worker: null, generation: 0, number: 0, shards: 3, output: BEGINNING, status: "live", last: BEGINNING }],
      published: { output: BEGINNING, status: "live", last: BEGINNING },
    });
  });

  test("a cell without shards is gone", () => {
    const history = new History(2).register("a", 0, 1);
    expect(history.cell(null)).toBeUndefined();
    expect(history.register("b", 0, 1).cell("a")).toBeUndefined();
    expect(history.register("b").cell("b")).toBeUndefined();
    expect(history.cell(null)?.shards).toBe(2);
  });

  test("a worker's new cell takes the least of where its shards come from, and of what it had", () => {
    const history = new History(4).register("a", 0, 1).register("b", 2).register("c", 3);
    for (const [worker, output] of [
      ["a", 70],
      ["b", 50],
      ["c", 90],
    ] as const)
      history.report(worker, output);
    history.register("c", 1, 3);
    expect([history.cell("c")?.output, history.cell("a")?.output, history.cell("b")?.output]).toEqual([70, 70, 50]);
    history.register("c", 2);
    expect(history.cell("c")?.output).toBe(50);
    expect(history.cell(null)).toMatchObject({ shards: 2, output: 70 });
  });

  test("whoever registers is told what its new cell has (A6)", () => {
    const history = new History(2).register("a", 0).register("b", 1);
    history.report("a", 90);
    history.report("b", 50);
    expect(register(history.authority, "c", [0]).output).toBe(90);
    expect(register(history.authority, "c", [0, 1]).output).toBe(50);
    expect(register(history.authority, "a", []).output).toBe(BEGINNING);
  });

  test("a worker's last event time goes with its shards, at its largest", () => {
    const history = new History(2).register("a", 0).register("b", 1);
    history.report("a", 1, "live", 500);
    history.report("b", 1, "live", 300);
    expect(history.register("b", 0, 1).cell("b")?.last).toBe(500);
  });

  test("a shard listed twice is listed once", () => {
    expect(new History(2).register("a", 0, 0, 1).cell("a")?.shards).toBe(2);
  });

  test("a shard that the participant does not have is an InvariantError", () => {
    for (const shard of [2, -1, 0.5]) expect(() => new History(2).register("a", shard)).toThrow(InvariantError);
  });

  test("what was given is never changed in place, and is plain data", () => {
    const before = new History(3).register("a", 0, 1).authority;
    const copy = structuredClone(before);
    register(before, "b", [1, 2]);
    report(before, "a", { generation: 1, number: 1, output: 9, status: "idle", last: 9 });
    expect(before).toEqual(copy);
    expect(JSON.parse(JSON.stringify(before))).toEqual(before);
  });

  test("a report that others have overtaken changes nothing, also if those said nothing new", () => {
    const history = new History(1).register("a", 0);
    history.report("a", 5, "live", 7, 1);
    history.report("a", 5, "live", 7, 3);
    const { authority } = history;
    expect(history.report("a", 9, "idle", 9, 2)).toBe("taken");
    expect(history.authority).toBe(authority);
    history.report("a", 5, "idle", 7, 4);
    expect(history.authority.published.status).toBe("idle");
  });

  test("a worker that registers again may count its reports from the beginning", () => {
    const history = new History(1).register("a", 0);
    history.report("a", 5, "live", 7, 30);
    history.register("a", 0).report("a", 5, "idle", 7, 1);
    expect(history.authority.published.status).toBe("idle");
  });
});

describe("generations", () => {
  test("a worker that lost a shard, or all, is refused until it registers; one that lost none is not", () => {
    const history = new History(3).register("a", 0, 1).register("b", 2);
    history.register("c", 1);
    expect([history.report("a", 5), history.report("b", 5), history.report("c", 5)]).toEqual(["refused", "taken", "taken"]);
    expect(history.register("a", 0).report("a", 5)).toBe("taken");
    history.register("d", 0, 1, 2);
    expect([history.report("a", 6), history.report("b", 6), history.report("c", 6), history.report("d", 6)]).toEqual([
      "refused",
      "refused",
      "refused",
      "taken",
    ]);
  });

  test("none is given twice", () => {
    const history = new History(2);
    const seen = new Set<number>();
    for (const worker of ["a", "b", "a", "a", "c", "b"]) {
      history.register(worker, 0, 1);
      expect(seen).not.toContain(history.granted.get(worker));
      for (const cell of history.authority.cells) seen.add(cell.generation);
    }
  });
});

const workers = ["a", "b", "c"] as const;
const statuses: readonly Status[] = ["live", "idle", "back-pressured", "finished"];
type Step =
  | { readonly kind: "register"; readonly worker: string; readonly shards: readonly number[] }
  | { readonly kind: "report"; readonly worker: string; readonly output: number; readonly status: Status };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("register" as const), worker: fc.constantFrom(...workers), shards: fc.uniqueArray(fc.nat({ max: 4 })) }),
  fc.record({ kind: fc.constant("report" as const), worker: fc.constantFrom(...workers), output: fc.nat({ max: 100 }), status: fc.constantFrom(...statuses) }),
);

describe("over any history", () => {
  /** Runs the steps, with what each shard's own watermark is known to be, and calls `check` after each. */
  function run(steps: readonly Step[], check: (history: History, known: readonly number[], before: Authority) => void): void {
    const history = new History(5);
    const known = [BEGINNING, BEGINNING, BEGINNING, BEGINNING, BEGINNING];
    for (const each of steps) {
      const before = history.authority;
      if (each.kind === "register") history.register(each.worker, ...each.shards);
      else if (history.report(each.worker, each.output, each.status) === "taken") {
        // An accepted report speaks for exactly the shards that its worker has.
        for (const [shard, owner] of history.authority.owners.entries()) {
          if (owner === each.worker) known[shard] = Math.max(known[shard]!, each.status === "finished" ? END : each.output);
        }
      }
      check(history, known, before);
    }
  }
  const steps = fc.array(step, { maxLength: 40 });

  test("what is published never falls (A1)", () => {
    fc.assert(
      fc.property(steps, (all) => run(all, ({ authority }, _, before) => expect(authority.published.output).toBeGreaterThanOrEqual(before.published.output))),
    );
  });

  test("every shard is in one cell, counted once (A2)", () => {
    fc.assert(
      fc.property(steps, (all) =>
        run(all, ({ authority: { owners, cells } }) => {
          expect(new Set(cells.map(({ worker }) => worker)).size).toBe(cells.length);
          for (const { worker, shards } of cells) expect(owners.filter((owner) => owner === worker)).toHaveLength(shards);
          expect(cells.reduce((sum, { shards }) => sum + shards, 0)).toBe(owners.length);
          expect(cells.every(({ shards }) => shards > 0)).toBe(true);
        }),
      ),
    );
  });

  test("what is published is never more than was reported for every single shard, by whoever had it (A4)", () => {
    fc.assert(fc.property(steps, (all) => run(all, ({ output }, known) => expect(output).toBeLessThanOrEqual(Math.min(...known)))));
  });

  test("a report is refused exactly if its worker's shards are not those it registered last (A3)", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const history = new History(5);
        const listed = new Map<string, readonly number[]>();
        for (const each of all) {
          if (each.kind === "register") {
            history.register(each.worker, ...each.shards);
            listed.set(each.worker, each.shards);
            continue;
          }
          const mine = history.authority.owners.flatMap((owner, shard) => (owner === each.worker ? [shard] : []));
          const thinks = [...(listed.get(each.worker) ?? [])].sort((x, y) => x - y);
          const agrees = mine.length > 0 && mine.length === thinks.length && mine.every((shard, i) => shard === thinks[i]);
          const outcome = history.report(each.worker, each.output, each.status);
          // A shard that was lost and then given up by its taker is no one's: never silently this worker's again.
          if (outcome === "taken") expect(agrees).toBe(true);
          if (!agrees) expect(outcome).toBe("refused");
        }
      }),
    );
  });

  test("once all shards are one live worker's, its report is what is published", () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 101, max: 200 }), (all, output) => {
        const history = new History(5);
        for (const each of all) if (each.kind === "register") history.register(each.worker, ...each.shards);
        history.register("z", 0, 1, 2, 3, 4);
        expect([history.report("z", output), history.output]).toEqual(["taken", output]);
      }),
    );
  });
});

test("in whatever order a worker's numbered reports come, what is known at the end is what the last one said, and no less than any that was taken", () => {
  const each = fc.record({ output: fc.nat(100), last: fc.nat(100), status: fc.constantFrom<Status>("live", "idle", "back-pressured", "finished") });
  const reports = fc.array(each, { minLength: 1, maxLength: 8 }).map((all) => all.map((one, i) => ({ ...one, number: i + 1 })));
  fc.assert(
    fc.property(
      reports.chain((all) => fc.shuffledSubarray(all, { minLength: all.length })),
      (arriving) => {
        const { authority, granted } = register(newAuthority(1), "w", [0]);
        let known = authority;
        let newest = 0;
        for (const one of arriving) {
          const before = known;
          known = report(known, "w", { generation: granted, ...one })!;
          if (one.number < newest) expect(known).toBe(before);
          newest = Math.max(newest, one.number);
          expect(known.published.output).toBeGreaterThanOrEqual(before.published.output);
        }
        const latest = arriving.find(({ number }) => number === newest)!;
        expect(known.cells[0]).toMatchObject({ number: newest, status: latest.status });
        expect(known.cells[0]!.output).toBeGreaterThanOrEqual(latest.output);
      },
    ),
  );
});
