/** One run: a workload and its schedule drawn from one tape, simulated, audited step by step, and compared with the fold. */
import { openValue } from "../src/computation/envelope.ts";
import type { EffectResult } from "../src/effects/effect.ts";
import { shardOf, shardRef } from "../src/key.ts";
import type { StreamRecord } from "../src/record.ts";
import { parseTimerMember, stateField } from "../src/store/address.ts";
import type { MemoryData } from "../src/store/memory-data.ts";
import { type FaultKind, type Faults, swarm } from "../src/testing/simulation/faults.ts";
import type { Trap } from "../src/testing/simulation/place.ts";
import type { LetterFate } from "../src/testing/simulation/shard-ledger.ts";
import { FAILURE, valueOf } from "../src/testing/simulation/simulated-effects.ts";
import { Simulation } from "../src/testing/simulation/simulation.ts";
import type { Outcome } from "../src/testing/simulation/simulation-options.ts";
import type { Tape } from "../src/testing/simulation/tape.ts";
import { Violation } from "../src/testing/simulation/violation.ts";
import type { Engine } from "../src/worker/engine.ts";
import type { EngineOptions } from "../src/worker/engine-options.ts";
import { type DeadLetter, parseDeadLetter } from "../src/worker/held.ts";
import { type Counters, decodeImage } from "../src/worker/image.ts";
import type { Plan, PlannedComputation } from "../src/worker/plan.ts";
import { findings } from "./oracle/fold.ts";
import type { Counted, FoldInjector, FoldItem, Found, FoundBarrier, FoundCommand, FoundLetter, FoundPerformed, FoundResult } from "./oracle/fold-input.ts";
import { type Joined, joinings, LATE_RESULTS, LATECOMER } from "./workload/latecomer.ts";
import type { Entry, Item, Sums } from "./workload/program.ts";
import { leaveBehind, stillLeft, withRetired } from "./workload/leftovers.ts";
import { entryOf, type RunStage, type SourceSetting, staged } from "./workload/shapes.ts";
import { drawWorkload, type Workload } from "./workload/workload.ts";

export interface Run extends Outcome {
  readonly workload: Workload;
  readonly plan: Plan;
  /** undefined: it did not come to its end. */
  readonly found: Found | undefined;
}

export interface RunOptions {
  /** Keep a timeline. */
  readonly recording?: boolean;
  /** What is made wrong on purpose, to see that it is found. */
  readonly wrong?: Wrong | undefined;
  /** What happens at certain places. */
  readonly trapOf?: ((simulation: Simulation) => Trap) | undefined;
  /** The graph grows by a latecomer that reads a stream, after so many steps. */
  readonly growth?: (Joined & { readonly at: number }) | undefined;
  /** Shards have something left of cells and timers that were dropped. */
  readonly leftovers?: boolean;
  /** Told of each call of a handler; may throw in its place. */
  readonly called?: (() => void) | undefined;
}

/** How an engine or a store differs from ours. */
export interface Wrong {
  readonly engine?: (options: EngineOptions) => Engine;
  /** Operations of the store in the place of its own. */
  readonly store?: (data: MemoryData) => Partial<MemoryData>;
}

/** A schedule with a workload that is drawn from the tape too. */
export async function run(tape: Tape, options: RunOptions = {}): Promise<Run> {
  const workload = drawWorkload(tape);
  const faults = themed(tape, workload, swarm(tape, workload.settings.exclusive, undefined, workload.faults));
  if (grows(workload)) return await growing(workload, tape, faults, options);
  return await simulate(workload, tape, faults, { leftovers: tape.chance(LEFTOVERS), ...options });
}

/** What a run is all about has to be reached. */
function themed(tape: Tape, { theme, settings }: Workload, faults: Faults): Faults {
  // Few attempts: none may be lost to a call that times out.
  if (theme === "letters") return { ...faults, kinds: faults.kinds.filter((kind) => kind !== "stall" && kind !== "skew") };
  if (settings.exclusive || theme === undefined) return faults;
  if (theme === "pages") return { ...faults, kinds: tape.choose(3) === 0 ? faults.kinds : ["crash", "leave", "join", "stall"] };
  if (theme === "silences") return { ...faults, kinds: tape.choose(3) === 0 ? faults.kinds : ["time-out", "break"] };
  if (theme === "beginnings")
    return {
      ...faults,
      kinds: tape.pick([
        ["time-out", "join"],
        ["break", "crash"],
      ]),
      adverse: true,
    };
  // Shards that are taken from one who lives and has not heard of it: single ones, not all that it has.
  if (theme === "pledges") return { ...faults, kinds: tape.pick([["time-out", "store-clock", "join"], ["time-out", "store-clock", "join"], ["delay"]]) };
  if (theme === "successors") return { ...faults, kinds: tape.pick([faults.kinds, ["crash", "join"], ["crash", "stall"]]) };
  if (theme === "ends")
    return { ...faults, kinds: tape.pick([["time-out"], ["time-out", "break"], ["time-out", "store-clock", "join"], ["time-out", "crash"]]), doubtful: 300 };
  // Commits whose outcome is not known, of workers that mostly stay.
  const kinds: readonly FaultKind[] = tape.choose(4) === 0 ? [...new Set([...faults.kinds, "unconfirmed" as const])] : ["unconfirmed", "time-out"];
  return { ...faults, kinds, doubtful: 300, edges: tape.pick([0, 100]) };
}

/** Of a thousand runs, in how many shards have something left of what was dropped: more than a page of it, which takes its time. */
const LEFTOVERS = 10;

/** About one in twelve with several workers, by what is drawn anyway; whoever joins is compared with one that is given everything. */
const grows = ({ settings, variant }: Workload): boolean =>
  !variant.filtered && !settings.exclusive && settings.reportEvery === 0 && settings.batchRecords === 8;

/** The graph grows in the midst of it. */
export async function growing(workload: Workload, tape: Tape, faults: Faults, options: RunOptions = {}): Promise<Run> {
  const growth = { ...tape.pick(joinings(workload.shape)), at: tape.pick([80, 20, 200, 500]) };
  // A store that loses its tail may lose the graph with it, so that nothing is stored of who runs the new one.
  const kinds = faults.kinds.filter((kind) => kind !== "lost-tail" && kind !== "unconfirmed");
  return await simulate(workload, tape, { ...faults, kinds }, { ...options, growth });
}

export async function simulate(workload: Workload, tape: Tape, faults: Faults, options: RunOptions = {}): Promise<Run> {
  const { recording = false, wrong, trapOf, called } = options;
  const { plan: staging, data, instances, grown, current } = await staged(workload.shape, workload.variant);
  const plan = options.leftovers === true ? withRetired(staging) : staging;
  const idOf = (value: unknown) => (value as Item).id;
  const growth = options.growth && { ...options.growth, ...(await grown(options.growth)), added: LATECOMER, idOf };
  let calls = 0;
  const counting = () => {
    calls++;
    called?.();
  };
  const stage: RunStage = {
    scripts: workload.scripts,
    tries: new Map(),
    sources: workload.sourceSettings,
    called: counting,
    saw: (what) => simulation.trace.saw(what),
  };
  current.stage = stage;
  const { sources, settings } = workload;
  const contents = wrong?.store === undefined ? data.copy() : withWrong(data.copy(), wrong.store);
  leaveBehind(contents, plan);
  const trap: Trap | undefined = trapOf && ((place, worker) => trapOf(simulation)(place, worker));
  const simulation: Simulation = new Simulation({
    plan,
    data: contents,
    sources,
    tape,
    settings,
    faults,
    recording,
    instances,
    failingEffects: workload.failingEffects,
    operators: workload.operators && {
      ...workload.operators,
      committed: () => committedIn(simulation, plan, workload),
      callsOf: (participant, key) => callsOf(simulation, plan, participant, key),
    },
    engine: wrong?.engine,
    growth,
    trap,
    calls: () => calls,
  });
  let found: Found | undefined;
  const outcome = simulation.run(() => {
    if (growth !== undefined) {
      const late = sinkIn(simulation, growth.plan, LATE_RESULTS).map(({ value }) => idOf(value));
      simulation.growth?.drained(late, (shard) => simulation.store.audit.ledger(shard).number);
    }
    const left = stillLeft(simulation.store.data, plan);
    if (left.length > 0) throw new Violation("sweep", `the end has come, and of what was dropped there are still ${left.slice(0, 10).join(", ")}`);
    found = foundIn(simulation, plan, workload);
    const differences = findings(
      {
        shape: workload.shape,
        scripts: workload.scripts,
        attempts: workload.variant.attempts,
        percentile: workload.variant.percentile !== undefined,
        injectors: injectorsOf(workload),
      },
      found,
    );
    if (differences.length > 0) throw new Violation("fold", differences.join("\n      "));
  });
  // Plans are kept, and with them what they go by: not the simulation too, with all that was in it.
  current.stage = { ...stage, called: undefined, saw: undefined };
  return { ...outcome, workload, plan, found };
}

function withWrong(data: MemoryData, wrong: (data: MemoryData) => Partial<MemoryData>): MemoryData {
  const operations = { ...wrong(data), copy: () => withWrong(data.copy(), wrong) };
  return new Proxy(data, {
    get(target, name) {
      const value: unknown = Reflect.get(operations, name) ?? Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function injectorsOf({ sources, sourceSettings }: Workload): ReadonlyMap<string, FoldInjector> {
  const injectors = new Map<string, FoldInjector>();
  for (const [name, partitions] of sources) {
    const { ids, retention, policy } = sourceSettings.get(name) as SourceSetting;
    const items = partitions.map((partition) =>
      partition.items.map(({ item }, i): FoldItem => {
        const timestamp = item.timestamp ?? Number.NaN;
        const refused = !item.mark && (item.failure !== undefined || !Number.isInteger(timestamp) || timestamp < 0);
        const value = item.mark || item.failure !== undefined ? undefined : (item.value as Item);
        const promisedBefore = partition.trails === undefined ? (partition.items[i - 1]?.promise ?? -1) : Number.POSITIVE_INFINITY;
        return { item: value, refused, timestamp, promisedBefore };
      }),
    );
    injectors.set(name, { ids, retention, idles: policy.idleAfter !== undefined, partitions: items });
  }
  return injectors;
}

// ── what a run left behind ────────────────────────────────────────────────────────────────────────────────────────

function foundIn(simulation: Simulation, plan: Plan, workload: Workload): Found {
  const { data } = simulation.store;
  const found = {
    ...committedIn(simulation, plan, workload),
    counted: new Map(),
    revived: new Map(),
    operated: new Map(),
    performed: new Map(),
    results: new Map(),
  };
  for (const participant of plan.participants) {
    const { name } = participant;
    const counted = countedIn(data, shardsOf(participant));
    const late = simulation.growth?.givenBy(participant.id, (shard) => simulation.store.audit.ledger(shard).number).length ?? 0;
    found.counted.set(name, { ...counted, produced: counted.produced - late });
    found.revived.set(name, lettersGone(simulation, participant, "revived"));
    found.operated.set(name, operatedIn(simulation, participant));
  }
  for (const { name, results } of workload.shape.effects ?? []) {
    found.performed.set(name, performedIn(simulation, name));
    const sink = workload.shape.sinks.find(({ stream }) => stream === results)?.name;
    if (sink !== undefined) found.results.set(name, sinkIn(simulation, plan, sink).map(resultOf));
  }
  const barriers = (simulation.operators?.standing ?? []) as readonly FoundBarrier[];
  return { ...found, barriers, tailLost: simulation.trace.seen.has("tail lost") };
}

/** What is committed now: the part of it that barriers are about. */
function committedIn(simulation: Simulation, plan: Plan, { keys, shape }: Workload) {
  const { data } = simulation.store;
  const logs = new Map<string, ReadonlyMap<string, Entry[]>>();
  const sums = new Map<string, ReadonlyMap<string, Sums>>();
  const sinks = new Map<string, Found["sinks"] extends ReadonlyMap<string, infer V> ? V : never>();
  const dead = new Map<string, FoundLetter[]>();
  for (const participant of plan.participants) {
    const { name, kind } = participant;
    const letters = shardsOf(participant).flatMap((shard) => data.readDeadLetters(shard, 100_000));
    const stored = letters.map(({ bytes }) => nameOf(parseDeadLetter(bytes), participant));
    dead.set(name, [...stored, ...lettersGone(simulation, participant, "discarded")]);
    if (kind === "computation" && participant.node.effect === undefined) {
      logs.set(name, cellsIn<Entry[]>(data, participant, "log", keys));
      sums.set(name, cellsIn<Sums>(data, participant, "sums", keys));
    } else if (kind === "sink" && !isOfResults(shape, name)) {
      const written = sinkIn(simulation, plan, name).map(({ value, timestamp, key }) => ({ item: value as Item, timestamp, key }));
      sinks.set(name, participant.node.target.appends === undefined ? written : (data.streams.get(name) ?? []).map(entryOf));
    }
  }
  return { logs, sums, sinks, dead };
}

function lettersGone({ store }: Simulation, participant: Plan["participants"][number], fate: LetterFate): FoundLetter[] {
  const gone = store.audit.gone.filter((each) => each.participant === participant.id && each.fate === fate);
  return gone.map(({ letter }) => nameOf(letter, participant));
}

/** Calls of a key that are committed now. */
function callsOf({ store }: Simulation, plan: Plan, participant: number, key: string): number {
  const planned = plan.participants.find(({ id }) => id === participant);
  return planned?.kind === "computation" ? (cellsIn<Entry[]>(store.data, planned, "log", [key]).get(key)?.length ?? 0) : 0;
}

/** What operators had done to its timers, in order. */
function operatedIn({ store }: Simulation, participant: Plan["participants"][number]): FoundCommand[] {
  if (participant.kind !== "computation") return [];
  const done = store.audit.operated.filter((each) => each.participant === participant.id);
  return done.map(({ action, member, time, output, calls }) => {
    const { timer, tag, key } = parseTimerMember(member);
    const name = participant.timers.find(({ id }) => id === timer)?.node.name ?? "";
    return { calls, key, timer: `${name}:${String(tag ?? "")}`, time, action: action.kind, to: action.kind === "move" ? action.to : undefined, output };
  });
}

const shardsOf = ({ id, shards }: Plan["participants"][number]): number[] => Array.from({ length: shards }, (_, index) => shardRef(id, index));

const isOfResults = ({ sinks, effects = [] }: Workload["shape"], sink: string): boolean =>
  effects.some(({ results }) => results !== undefined && sinks.find(({ stream }) => stream === results)?.name === sink);

function sinkIn(simulation: Simulation, plan: Plan, name: string): StreamRecord<unknown>[] {
  const participant = plan.participants.find((each) => each.name === name) as Plan["participants"][number];
  const image = simulation.store.data.recover(shardsOf(participant), { timers: 0, holds: 0 })[0]?.image;
  const checkpoint = image === undefined ? 0 : ((decodeImage(image).checkpoint as number | undefined) ?? 0);
  return simulation.sinkOf(name).upTo(checkpoint);
}

function performedIn({ effects }: Simulation, name: string): FoundPerformed[] {
  return effects.of(name).map(({ value, idempotencyKey, succeeded }) => {
    const item = (value as Item).id;
    return { item, idempotencyKey, succeeded, value: valueOf(idempotencyKey), failure: FAILURE };
  });
}

function resultOf({ value, timestamp }: StreamRecord<unknown>): FoundResult {
  const result = value as EffectResult<Item, unknown>;
  const { ok, idempotencyKey, input } = result;
  return { ok, idempotencyKey, input, timestamp, value: ok ? result.value : result.error };
}

function cellsIn<T>(data: MemoryData, planned: PlannedComputation, cell: string, keys: readonly string[]): ReadonlyMap<string, T> {
  const { id, node } = planned.cells.find((each) => each.node.name === cell) as PlannedComputation["cells"][number];
  const values = new Map<string, T>();
  for (const key of keys) {
    const [bytes] = data.readState(shardRef(planned.id, shardOf(key, planned.shards)), [stateField(id, key)]);
    if (bytes !== undefined) values.set(key, openValue(node.codec, bytes).value as T);
  }
  return values;
}

function countedIn(data: MemoryData, shards: readonly number[]): Counted {
  const total = { processed: 0, late: 0, produced: 0, duplicates: 0, deadLetters: 0, timersFired: 0, droppedTimers: 0 };
  for (const { image } of data.recover(shards, { timers: 0, holds: 0 })) {
    if (image === undefined) continue;
    const counters: Counters = decodeImage(image).counters;
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += counters[name];
  }
  return total;
}

function nameOf(letter: DeadLetter, planned: Plan["participants"][number]): { what: string; key: string } {
  const { key, kind, timer, timestamp, value } = letter;
  if (kind === "timer" && planned.kind === "computation") {
    const address = parseTimerMember(timer as string);
    const name = planned.timers.find((each) => each.id === address.timer)?.node.name ?? "";
    return { what: `${name}:${String(address.tag ?? "")}:${timestamp}`, key };
  }
  if (planned.kind === "computation" && value !== undefined) {
    const codec = planned.inputs[0]?.codec;
    return { what: codec === undefined ? "" : (openValue(codec, value).value as Item).id, key };
  }
  return { what: "", key };
}
