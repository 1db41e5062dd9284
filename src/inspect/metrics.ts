/**
 * What a worker tells a monitoring system: counters of its own work since it started, and where it stands now. Labels
 * are the names of participants, so their number is that of the graph; keys are never among them.
 */
import { ComputationShard } from "../worker/computation-shard.ts";
import type { Engine } from "../worker/engine.ts";
import type { Counters } from "../worker/image.ts";
import type { PlannedParticipant } from "../worker/plan.ts";
import { sum } from "../worker/tally.ts";
import type { Worker } from "../worker/worker.ts";
import { hottestShare } from "./hot-keys-view.ts";
import type { Metric, Sample } from "./prometheus.ts";
import type { ParticipantKind, ParticipantWatermarks } from "./views.ts";
import { watermarksView } from "./watermarks-view.ts";

interface CounterOf {
  readonly counter: keyof Counters;
  readonly name: string;
  readonly help: string;
  readonly kinds: readonly ParticipantKind[];
}

const ALL: readonly ParticipantKind[] = ["injector", "computation", "sink"];
const COUNTERS: readonly CounterOf[] = [
  { counter: "processed", name: "processed_records", help: "Records whose effects were committed.", kinds: ALL },
  {
    counter: "late",
    name: "late_records",
    help: "Of these, records behind the input watermark when their processing started.",
    kinds: ["computation", "sink"],
  },
  { counter: "produced", name: "produced_records", help: "Deliveries of produced records.", kinds: ["injector", "computation"] },
  { counter: "duplicates", name: "duplicate_records", help: "Records dropped because their id was known.", kinds: ["injector"] },
  { counter: "deadLetters", name: "dead_letters", help: "Records and timers given up.", kinds: ALL },
  { counter: "timersFired", name: "timers_fired", help: "Timers whose effects were committed.", kinds: ["computation"] },
  { counter: "failures", name: "failures", help: "Failed tries of records and timers.", kinds: ["computation", "sink"] },
  { counter: "droppedTimers", name: "dropped_timers", help: "Settings of looping timers dropped at the end of time.", kinds: ["computation"] },
];

/** What this worker has counted of a participant since it started. */
export function countedOf(engine: Engine, participant: PlannedParticipant): Counters {
  return sum([engine.tally.of(participant.id), ...engine.shardsOf(participant).map((shard) => shard.counted)]);
}

/** `now`: ms by the worker's clock; `ready`: as `/readyz` says. */
export function metricsOf(worker: Worker, now: number, ready: boolean): Metric[] {
  const { participants } = worker.engine.options.plan;
  const watermarks = watermarksView(worker, now).participants;
  return [
    ...countersOf(worker.engine, participants),
    ...watermarkGauges(watermarks),
    ...percentileGauges(watermarks),
    ...pendingGauges(worker.engine, participants),
    ...workerMetrics(worker.engine),
    ...healthMetrics(worker, participants, ready),
  ];
}

function countersOf(engine: Engine, participants: readonly PlannedParticipant[]): Metric[] {
  const counted = participants.map((participant) => ({ participant, counters: countedOf(engine, participant) }));
  const lost: Metric = {
    name: "millrace_lost_records_total",
    help: "Records whose committed effects the store lost. Since the worker started.",
    type: "counter",
    samples: participants.map((participant) => ({ labels: labelsOf(participant), value: engine.lostTails.counted.records.get(participant.name) ?? 0 })),
  };
  const counters = COUNTERS.map(
    ({ counter, name, help, kinds }): Metric => ({
      name: `millrace_${name}_total`,
      help: `${help} Since the worker started.`,
      type: "counter",
      samples: counted
        .filter(({ participant }) => kinds.includes(participant.kind))
        .map(({ participant, counters }) => ({ labels: labelsOf(participant), value: counters[counter] })),
    }),
  );
  return [...counters, lost];
}

function watermarkGauges(views: readonly ParticipantWatermarks[]): Metric[] {
  const gauge = (name: string, help: string, valueOf: (view: ParticipantWatermarks) => number | string | null): Metric => ({
    name: `millrace_${name}`,
    help,
    type: "gauge",
    samples: views.flatMap((view): Sample[] => {
      const value = valueOf(view);
      return typeof value === "number" ? [{ labels: labelsOf(view), value }] : [];
    }),
  });
  const inSeconds = (ms: number | null) => (ms === null ? null : ms / 1_000);
  const timeOf = (watermark: number | string | null) => (typeof watermark === "number" ? watermark : null);
  return [
    gauge("input_watermark_timestamp_seconds", "Input low watermark, since the Unix epoch. Absent before the first and at the end of time.", ({ input }) =>
      inSeconds(timeOf(input)),
    ),
    gauge(
      "output_watermark_timestamp_seconds",
      "Output low watermark in force, since the Unix epoch. Absent before the first and at the end of time.",
      ({ output }) => inSeconds(timeOf(output)),
    ),
    gauge("watermark_lag_seconds", "How far the output watermark is behind the clock. 0 at the end of time.", ({ lag }) => inSeconds(lag.clock)),
    gauge("watermark_input_lag_seconds", "How far the output watermark is behind what the inputs allow.", ({ lag }) => inSeconds(lag.inputs)),
    gauge("injector_waits_for_others", "1 while the injector waits because it is further ahead of another than its maxSkew.", ({ kind, heldBy }) =>
      kind === "injector" ? Number(heldBy?.kind === "skew") : null,
    ),
    {
      name: "millrace_status",
      help: "1 for the status that the participant has: live, idle, back-pressured or finished.",
      type: "gauge",
      samples: views.map((view) => ({ labels: { ...labelsOf(view), status: view.status }, value: 1 })),
    },
  ];
}

function percentileGauges(views: readonly ParticipantWatermarks[]): Metric[] {
  const gauge = (which: "input" | "output", help: string): Metric => ({
    name: `millrace_percentile_${which}_watermark_timestamp_seconds`,
    help: `${help}, since the Unix epoch. Absent before the first and at the end of time.`,
    type: "gauge",
    samples: views.flatMap((view) =>
      (view.percentiles ?? []).flatMap((each): Sample[] => {
        const watermark = each[which];
        return typeof watermark === "number" ? [{ labels: { ...labelsOf(view), percentile: String(each.percentile) }, value: watermark / 1_000 }] : [];
      }),
    ),
  });
  return [gauge("input", "Input percentile watermark"), gauge("output", "Output percentile watermark in force")];
}

function pendingGauges(engine: Engine, participants: readonly PlannedParticipant[]): Metric[] {
  const gauge = (name: string, help: string, valueOf: (participant: PlannedParticipant) => number | undefined): Metric => ({
    name: `millrace_${name}`,
    help,
    type: "gauge",
    samples: participants.flatMap((participant): Sample[] => {
      const value = valueOf(participant);
      return value === undefined ? [] : [{ labels: labelsOf(participant), value }];
    }),
  });
  const computed = (participant: PlannedParticipant, valueOf: (shard: ComputationShard) => number) => {
    if (participant.kind !== "computation") return undefined;
    return total(engine.shardsOf(participant), (shard) => (shard instanceof ComputationShard ? valueOf(shard) : 0));
  };
  return [
    gauge("waits_for_room", "1 where it starts nothing new, for an inbox that it feeds is full.", (participant) =>
      engine.shardsOf(participant).length > 0 && engine.blocked(participant.id) ? 1 : 0,
    ),
    gauge("owned_shards", "Shards that this worker owns.", (participant) => engine.shardsOf(participant).length),
    gauge("queued_records", "Records in the inboxes of this worker's shards.", (participant) =>
      participant.kind === "injector" ? undefined : total(engine.shardsOf(participant), (shard) => engine.queuedOf(shard.ref)),
    ),
    gauge("held_records", "Records and timers that stand aside.", (participant) => computed(participant, (shard) => shard.heldHolds.size)),
    gauge("timers", "Pending timers in this worker's memory.", (participant) => computed(participant, (shard) => shard.watermark.size + shard.wall.size)),
    gauge(
      "hottest_key_ratio",
      "Part of the latest records of this worker's shards that had the key that most had, 0 to 1. /v1/hot-keys names it.",
      (participant) => (participant.kind === "computation" ? hottestShare(engine, participant) : undefined),
    ),
    gauge("cached_keys", "Keys whose state is in this worker's memory.", (participant) => computed(participant, (shard) => shard.cachedKeys)),
  ];
}

function workerMetrics({ counted, lostTails, ownership }: Engine): Metric[] {
  const counter = (name: string, help: string, value: number): Metric => ({ name, help, type: "counter", samples: [{ labels: {}, value }] });
  const { user, system } = process.cpuUsage();
  return [
    counter("millrace_commits_total", "Commits sealed.", counted.commits),
    counter("millrace_commit_calls_total", "Calls that carried them to the store.", counted.calls),
    counter("millrace_commit_resends_total", "Calls sent again because no outcome was known.", counted.resends),
    counter("millrace_fenced_commits_total", "Commits refused because another worker owns the shard.", counted.fenced),
    {
      name: "millrace_moved_shards_total",
      help: "Shards that this worker has come to own (taken), has handed over (given), and has lost without that.",
      type: "counter",
      samples: (["taken", "given", "lost"] as const).map((how) => ({ labels: { how }, value: ownership.moved[how] })),
    },
    {
      name: "millrace_workers",
      help: "Workers that are alive, as this one has heard.",
      type: "gauge",
      samples: [{ labels: {}, value: ownership.membership.workers.length }],
    },
    counter("millrace_gaps_total", "Commits refused because the store had lost its tail.", counted.gaps),
    counter("millrace_lost_tails_total", "Times that the store had lost commits it had acknowledged to this worker.", lostTails.counted.tails),
    counter("millrace_lost_commits_total", "Commits that it lost.", lostTails.counted.commits),
    counter("millrace_lost_confirmed_records_total", "Lost records that clients had been told of as committed.", lostTails.counted.confirmed),
    {
      name: "process_resident_memory_bytes",
      help: "Resident memory of the process.",
      type: "gauge",
      samples: [{ labels: {}, value: process.memoryUsage.rss() }],
    },
    counter("process_cpu_seconds_total", "CPU time of the process, user and system.", (user + system) / 1_000_000),
  ];
}

function healthMetrics({ rejections }: Worker, participants: readonly PlannedParticipant[], ready: boolean): Metric[] {
  const computations = participants.filter(({ kind }) => kind === "computation");
  return [
    {
      name: "millrace_ready",
      help: "1 while /readyz says that the worker is ready.",
      type: "gauge",
      samples: [{ labels: {}, value: Number(ready) }],
    },
    {
      name: "millrace_unhandled_rejections_total",
      help: "Promises of user code that were rejected and that nothing waited for; without a participant where none is known; no samples where the program listens itself. Since the process started.",
      type: "counter",
      samples:
        !rejections.complete && rejections.count === 0
          ? []
          : [
              ...computations.map((participant) => ({ labels: labelsOf(participant), value: rejections.of(participant.name) })),
              { labels: {}, value: rejections.unattributed },
            ],
    },
  ];
}

const labelsOf = ({ name, kind }: { readonly name: string; readonly kind: ParticipantKind }) => ({ participant: name, kind });

function total<T>(all: readonly T[], valueOf: (each: T) => number): number {
  let value = 0;
  for (const each of all) value += valueOf(each);
  return value;
}
