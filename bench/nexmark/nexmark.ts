/** Nexmark: eight of its queries over generated events, each answer compared with plain code's. */
import { boundedDisorder, type Injector, Pipeline } from "../../src/index.ts";
import { benchmark, settingOf } from "../harness/benchmark.ts";
import { measuredRun } from "../harness/measured-run.ts";
import { inTurn, round } from "../harness/medians.ts";
import { numbered } from "../harness/numbered.ts";
import type { Probe, Workload } from "../harness/workload.ts";
import { expectAnswers, QUERIES, type Query } from "./answers.ts";
import { BEHIND, type Event, eventAt, type Events, type Part } from "./events.ts";
import { BidderTotal, BidderWallWindows, events, parts, queried, Tally } from "./queries.ts";

export interface NexmarkLoad extends Events {
  readonly query: Query;
  readonly shards: number;
  /** Of q12, ms. */
  readonly wallWindow: number;
}

/** Queries that give on what they read. */
const WHOLE: ReadonlySet<Query> = new Set(["q0", "q1", "q2"]);

export const nexmarkQueries: Workload<NexmarkLoad> = {
  name: "nexmark",
  // What becomes of an event differs by query, so only that it is injected and looked at is counted.
  work: ({ events: records }) => ({ records, processings: records * 2 }),
  pipeline(load, probe) {
    const empty = new Pipeline("nexmark", { shards: load.shards });
    const pipeline = WHOLE.has(load.query)
      ? empty.inject(
          "events",
          events,
          generated(load, probe, (event) => event),
        )
      : empty.inject(
          "events",
          parts,
          generated<Part>(load, probe, (event) => event),
        );
    return load.query === "q12"
      ? pipeline.compute("query", () => new BidderWallWindows(load.wallWindow, probe)).compute("tally", BidderTotal)
      : queried(pipeline, load.query).compute("tally", Tally);
  },
  expect: (load, results) => expectAnswers(load.query, load, results),
};

/** All of them in memory before the first is pulled: generating is not what is measured. */
function generated<E extends Part>(load: NexmarkLoad, probe: Probe, seen: (event: Event) => E): Injector<E> {
  return numbered<E>({
    description: `${load.events} events of Nexmark`,
    records: load.events,
    watermark: boundedDisorder(BEHIND),
    probe,
    from: (first) => {
      const all = Array.from({ length: load.events - first }, (_, i) => seen(eventAt(first + i, load)));
      const valueOf = (n: number): E => all[n - first] as E;
      return { valueOf, timeOf: (n) => valueOf(n).at };
    },
  });
}

export const nexmark = benchmark({
  name: "nexmark",
  about: "queries of Nexmark at 10,000 events a second of event time, as fast as they go",
  numbers: { events: 300_000, shards: 64, disorder: 1, "wall-window": 10_000 },
  texts: { query: ["all", ...QUERIES] },
  tiny: { store: "memory", events: 2_000, shards: 2, disorder: 100, "wall-window": 50 },
  run: async (given) => {
    const { events: many, shards, disorder, query } = given;
    return inTurn(given.runs, query === "all" ? QUERIES : [query], async (each) => {
      const load: NexmarkLoad = { query: each, events: many, shards, disorder, wallWindow: given["wall-window"] };
      const run = await measuredRun(nexmarkQueries, load, settingOf(given));
      const { recordsPerSecond: _, nodeMicrosPerRecord, redisMicrosPerRecord, ...figures } = run.figures;
      const processedAt = run.note("processedAt");
      const seconds = processedAt === null ? run.seconds : (processedAt - (run.measured[0]?.beganAt ?? 0)) / 1_000;
      const micros = (nodeMicrosPerRecord as number) + ((redisMicrosPerRecord as number | null) ?? 0);
      return {
        bench: "nexmark",
        query: each,
        store: given.store,
        fsync: given.fsync,
        events: many,
        disorder,
        eventsPerSecond: Math.round(many / seconds),
        // What the benchmark's own runner reports: cores times time.
        coreSeconds: round((micros * many) / 1e6),
        eventsPerCoreSecond: Math.round(1e6 / micros),
        nodeMicrosPerEvent: nodeMicrosPerRecord,
        redisMicrosPerEvent: redisMicrosPerRecord,
        ...figures,
        // Against an event put in once: what a query makes of it is not counted.
        batchMean: null,
      };
    });
  },
});
