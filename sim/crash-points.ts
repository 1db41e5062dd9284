/**
 * Every place in the life of a worker, every thing that can happen to it there, for a record, a timer, a late record and
 * a hand-over: small workloads without any other fault, run once for each time that the place is reached.
 */
import { byHand } from "../src/index.ts";
import { NO_FAULTS } from "../src/testing/simulation/faults.ts";
import type { Place, Trap } from "../src/testing/simulation/place.ts";
import type { SimulatedItem } from "../src/testing/simulation/simulated-edges.ts";
import type { SimulatedWorker } from "../src/testing/simulation/simulated-worker.ts";
import type { Simulation } from "../src/testing/simulation/simulation.ts";
import { Tape } from "../src/testing/simulation/tape.ts";
import { type Run, type RunOptions, simulate } from "./schedule.ts";
import type { Item, Program, Script } from "./workload/program.ts";
import { shapes } from "./workload/shapes.ts";
import type { Workload } from "./workload/workload.ts";

export const PLACES: readonly Place[] = ["K0", "K1", "K2", "K3", "K4", "K5", "K6", "K7", "K8", "K9", "K10", "K11", "K12", "K13", "K14", "K15", "K16"];
/** The process is gone; it stands still past its leases, and another takes over; a call or handler fails; it is busy past its leases, and alone. */
export const ACTIONS = ["kill", "pause", "throw", "block"] as const;
export const SUBJECTS = ["record", "timer", "late record", "hand-over"] as const;
export type Action = (typeof ACTIONS)[number];
export type Subject = (typeof SUBJECTS)[number];

export interface CrashCase {
  readonly place: Place;
  readonly action: Action;
  readonly subject: Subject;
  /** Runs: one for each time that the place was reached. */
  readonly runs: number;
  readonly violation: string | undefined;
}

/** What is on its way there arrives after the death of its sender. */
const ON_ITS_WAY: ReadonlySet<Place> = new Set<Place>(["K4", "K13", "K14"]);
const LEASE = 200;
/** Times that a place is tried in one workload. */
export const MOST = 12;
const ARRIVAL = 1_000_000;
const NOTHING: Program = [{ do: "add", by: 1 }];

/** All cases, or those of one subject. */
export async function crashPoints(options: RunOptions = {}, subjects: readonly Subject[] = SUBJECTS): Promise<CrashCase[]> {
  const cases: CrashCase[] = [];
  for (const subject of subjects) {
    for (const place of PLACES) {
      const times = await timesReached(place, subject, options);
      for (const action of ACTIONS) cases.push(await crashCase(place, action, subject, times, options));
    }
  }
  return cases;
}

async function crashCase(place: Place, action: Action, subject: Subject, times: number, options: RunOptions): Promise<CrashCase> {
  const runs = Math.min(times, MOST);
  for (let time = 0; time < runs; time++) {
    const { violation } = await runCase(place, action, subject, time, options);
    if (violation !== undefined) return { place, action, subject, runs: time + 1, violation: violation.message };
  }
  return { place, action, subject, runs, violation: undefined };
}

/** How often the place is reached when nothing happens there. */
export async function timesReached(of: Place, subject: Subject, options: RunOptions): Promise<number> {
  let reached = 0;
  const count: Trap = (place) => {
    if (place === of) reached++;
    return false;
  };
  const trapOf = (simulation: Simulation): Trap => withHandOver(subject, simulation, count, of);
  const { violation } = await simulate(workloadOf(subject), inOrder(), NO_FAULTS, { ...options, trapOf });
  if (violation !== undefined) throw violation;
  return reached;
}

/** The action, at the place, the time that it is reached after so many. */
async function runCase(place: Place, action: Action, subject: Subject, after: number, options: RunOptions = {}): Promise<Run> {
  let left = after;
  let failing = false;
  const trapOf = (simulation: Simulation): Trap =>
    withHandOver(
      subject,
      simulation,
      (at, worker) => {
        if (at !== place || left-- !== 0) return false;
        simulation.trace.line(() => `FAULT at ${place}: ${action}`);
        return act(action, place, simulation, worker);
      },
      place,
    );
  const called = () => {
    // A handler fails in the place of the call that comes next.
    if (place === "K2" && action === "throw" && after-- === 0 && !failing) {
      failing = true;
      throw new Error("made to fail");
    }
  };
  return await simulate(workloadOf(subject), inOrder(), NO_FAULTS, { ...options, trapOf, called });
}

export function act(action: Action, place: Place, simulation: Simulation, worker: SimulatedWorker): boolean {
  const { connection } = worker;
  switch (action) {
    case "kill":
      simulation.misfortune.crash(worker, ON_ITS_WAY.has(place) ? connection.underWay.length : 0);
      return true;
    case "pause":
      worker.stalledUntil = simulation.time + 3 * LEASE;
      simulation.starts.push(simulation.time);
      return true;
    case "block":
      worker.stalledUntil = simulation.time + 3 * LEASE;
      return true;
    case "throw":
      if (place !== "K2") connection.break(place === "K4" || place === "K14" ? connection.underWay.length : 0, 5);
      return false;
  }
}

/**
 * The first worker is told to stop while its first records are not committed, and another takes over: for the hand-over,
 * and for the places that are only there with one (an owner that has to read state, a worker that drains).
 */
export function withHandOver(subject: Subject, simulation: Simulation, trap: Trap, of?: Place): Trap {
  if (subject !== "hand-over" && of !== "K1" && of !== "K13") return trap;
  return (place, worker) => {
    if (place === "K2" && worker.index === 1 && !worker.stopping) {
      worker.stopping = true;
      simulation.stopLimits.set(worker, simulation.time + 5_000);
      worker.engine.stop(worker.now);
      simulation.starts.push(simulation.time);
    }
    return trap(place, worker);
  };
}

// ── workloads ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** In order, without a fault. */
export const inOrder = (): Tape => Tape.of(new Uint32Array(0));

export function workloadOf(subject: Subject): Workload {
  const shape = shapes.find(({ name }) => name === "two stages") as Workload["shape"];
  const produce = { do: "produce", to: 0, key: "k0", other: "k1", program: 0, after: 0 } as const;
  const record: Program = [{ do: "add", by: 1 }, produce];
  const setting: Program = [
    { do: "add", by: 1 },
    { do: "set", timer: "due", tag: 0, from: "call", after: 500, output: undefined },
  ];
  const A: Script = { records: [subject === "timer" ? setting : record], timers: [record], flush: NOTHING, filter: undefined };
  const B: Script = { records: [record], timers: [NOTHING], flush: NOTHING, filter: undefined };
  return {
    shape,
    variant: {
      shards: 2,
      domains: 2,
      partitions: 1,
      attempts: 9,
      asynchronous: false,
      effects: undefined,
      maxSkew: undefined,
      percentile: undefined,
      filtered: false,
    },
    keys: ["k0", "k1"],
    scripts: new Map([
      ["A", A],
      ["B", B],
    ]),
    sources: new Map([["i", [{ items: itemsOf(subject) }]]]),
    sourceSettings: new Map([["i", { policy: byHand(), ids: true, retention: 1_000_000 }]]),
    settings: {
      exclusive: false,
      leaseMs: LEASE,
      batchRecords: 2,
      cacheBytes: 0,
      frozen: false,
      reportEvery: 2,
      hasty: false,
      recover: { timers: 10_000, holds: 10_000 },
      latency: 0,
    },
    failingEffects: 0,
    theme: undefined,
    faults: { perMille: [0], steps: [0] },
    operators: undefined,
  };
}

/** Three records with a promise between them; the third is late where that is the subject. Ids are forgotten on the way. */
function itemsOf(subject: Subject): SimulatedItem[] {
  const items: SimulatedItem[] = [];
  let promised = -1;
  const add = (item: Omit<SimulatedItem["item"], "position">, arrival: number) => {
    if (item.mark === true) promised = Math.max(promised, item.watermark ?? -1);
    items.push({ item: { ...item, position: items.length + 1 }, arrival: ARRIVAL + arrival, promise: promised });
  };
  const record = (timestamp: number, arrival: number) => {
    const value: Item = { id: `i/0/${items.length + 1}`, key: `k${items.length % 2}`, other: "k0", program: 0 };
    add({ value, timestamp }, arrival);
  };
  record(1_000, 0);
  record(1_010, 0);
  add({ value: undefined, mark: true, watermark: 1_500 }, 3);
  record(subject === "late record" ? 1_200 : 1_500, 6);
  add({ value: undefined, mark: true, watermark: 2_000_000 }, 9);
  record(2_000_000, 12);
  return items;
}
