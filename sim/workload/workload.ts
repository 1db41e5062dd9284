/**
 * A random workload, drawn from the tape: the shape of the pipeline, the scripts of its computations, and what its sources
 * give and when. A tape of zeros draws the plainest: one stage, one shard, records that only add.
 */
import { ascending, boundedDisorder, byHand, type SourceItem, trailingClock, type WatermarkPolicy } from "../../src/index.ts";
import type { SimulatedItem, SimulatedSource } from "../../src/testing/simulation/simulated-edges.ts";
import type { Rates } from "../../src/testing/simulation/faults.ts";
import type { OperatorSettings } from "../../src/testing/simulation/operators.ts";
import type { Settings } from "../../src/testing/simulation/simulation-options.ts";
import type { Tape } from "../../src/testing/simulation/tape.ts";
import type { Item, Program, Script, Step, Verdict } from "./program.ts";
import type { Computed, EffectLimits, Shape, SourceSetting, Variant } from "./shapes.ts";
import { drawSize, type Size, type Theme } from "./sizes.ts";

export interface Workload {
  readonly shape: Shape;
  readonly variant: Variant;
  readonly keys: readonly string[];
  readonly scripts: ReadonlyMap<string, Script>;
  readonly sources: ReadonlyMap<string, readonly SimulatedSource[]>;
  readonly sourceSettings: ReadonlyMap<string, SourceSetting>;
  readonly settings: Settings;
  /** Of a thousand calls of an effect, how many fail. */
  readonly failingEffects: number;
  readonly theme: Theme | undefined;
  readonly faults: Rates;
  readonly operators: Pick<OperatorSettings, "letters" | "barriers" | "timers" | "spared"> | undefined;
}

/** Of a thousand, in how many timers go by a percentile. */
const PERCENTILES = 150;
/** Of a thousand, in how many the inputs of computations have filters. */
const FILTERED = 120;

/** Which kinds of steps a run has: with everything at once, each hides the others. */
interface Menu {
  readonly timers: boolean;
  readonly wall: boolean;
  /** ms after which a wall timer is due. */
  readonly walls: readonly number[];
  readonly holds: boolean;
  readonly brief: boolean;
  readonly clear: boolean;
  readonly failing: boolean;
  readonly poison: boolean;
  readonly waiting: boolean;
  /** Most calls wait, and half of all fail, at some time. */
  readonly slow: boolean;
  /** Most records hold, and set a timer. */
  readonly crowded: boolean;
  /** Most records and timers set a timer, and most fail, at some time. */
  readonly looping: boolean;
  readonly early: boolean;
  /** Dead letters may be revived: records that fail as often as they are tried, and not for ever. */
  readonly mortal: boolean;
  /** Tries of a record or timer: more than scripts fail on purpose and go on, and, where handlers wait, than stalls can time out. */
  readonly attempts: number;
}

const ATTEMPTS = 9;
/** Few attempts are enough where nobody stalls and no clock jumps, so that nothing times out. */
const THEMED_MENUS: Readonly<Record<Theme, Partial<Menu>>> = {
  letters: { waiting: true, slow: true, failing: true, poison: true, attempts: 3 },
  barriers: { waiting: true, poison: false, attempts: ATTEMPTS },
  pages: { timers: true, holds: true, early: true, crowded: true },
  silences: {},
  chains: { waiting: false },
  pledges: { waiting: false, failing: true, poison: false, attempts: ATTEMPTS },
  ends: { timers: true, holds: false, failing: true, looping: true, poison: false, attempts: ATTEMPTS },
  beginnings: {},
  successors: { waiting: true, slow: true, holds: true, poison: false, attempts: ATTEMPTS },
};
const LIMITS: readonly EffectLimits[] = [
  { attempts: 2, concurrency: 16, rateLimit: undefined },
  { attempts: 3, concurrency: 1, rateLimit: undefined },
  { attempts: 1, concurrency: 2, rateLimit: { max: 2, per: 40 } },
  { attempts: 4, concurrency: 3, rateLimit: { max: 1, per: 15 } },
];

const SKEWS: readonly Variant["maxSkew"][] = [undefined, undefined, { of: "all", ms: 100 }, { of: "all", ms: 1 }, { of: "first", ms: 500 }];

const VERDICTS: readonly Verdict[] = ["taken", "passed over", "taken", "passed over", "taken", "refused"];
const RECORD_PROGRAMS = 8;
const TIMER_PROGRAMS = 4;
/** Arrival of the first item, simulated time. */
const FIRST = 1_000_000;
const FIRST_EVENT = 1_000;
/** ms of event time, longer than any run. */
const RETENTION = 1_000_000;

export function drawWorkload(tape: Tape): Workload {
  const { theme, size } = drawSize(tape);
  const shape = tape.pick(size.shapes);
  const exclusive = tape.chance(size.exclusive);
  const recover = tape.pick(size.recover);
  const drawn = { ...drawMenu(tape, size), ...(theme && THEMED_MENUS[theme]) };
  // Of timers that only the store knows, `clear` leaves those with a tag: not tried where there are some.
  const letters = theme === "letters" ? tape.pick([100, 200, 400]) : drawn.poison || shape.effects !== undefined ? tape.pick([0, 30, 100, 200]) : 0;
  const barriers = tape.pick(size.barriers);
  drawn.mortal = letters > 0 && drawn.poison;
  const menu: Menu = recover < 10_000 ? { ...drawn, clear: false } : drawn;
  const keys = Array.from({ length: 1 + tape.choose(size.keys) }, (_, i) => `k${i}`);
  const variant: Variant = {
    shards: tape.pick(size.shards),
    domains: tape.pick(size.domains),
    partitions: tape.pick([1, 1, 2]),
    attempts: menu.attempts,
    asynchronous: menu.waiting && (menu.slow || tape.chance(500)),
    effects: shape.effects && tape.pick(LIMITS),
    maxSkew: shape.injectors.length > 1 ? tape.pick(SKEWS) : undefined,
    percentile: tape.chance(PERCENTILES) ? 50 : undefined,
    filtered: tape.chance(FILTERED),
  };
  const scripts = new Map(shape.computations.map((computation) => [computation.name, drawScript(tape, computation, menu, keys, variant.filtered)]));
  const sources = new Map<string, readonly SimulatedSource[]>();
  const sourceSettings = new Map<string, SourceSetting>();
  // What goes to effects takes more steps.
  const most = tape.pick(shape.effects === undefined ? size.records : size.effected);
  for (const { name } of shape.injectors) {
    // Whether an old one whose id may be forgotten was taken shows only where it comes.
    const setting = drawSource(tape, name, Math.ceil((4 + tape.choose(most)) / shape.injectors.length / variant.partitions), variant.partitions, keys, size);
    sources.set(name, setting.sources);
    sourceSettings.set(name, { policy: setting.policy, ids: setting.ids, retention: variant.filtered ? RETENTION : setting.retention });
  }
  const settings: Settings = {
    exclusive,
    leaseMs: tape.pick(size.leases),
    batchRecords: tape.pick([256, 8, 3, 1]),
    cacheBytes: tape.pick([1 << 28, 1 << 28, 3_000, 0]),
    frozen: tape.chance(100),
    reportEvery: tape.pick([2, 0, 10]),
    recover: { timers: recover, holds: recover },
    latency: exclusive ? 0 : tape.pick(size.latencies),
    hasty: true,
    punctual: size.punctual,
    begins: size.begins,
  };
  // A hold whose release is deleted holds for ever.
  const operators = letters + barriers > 0 ? { letters, barriers, timers: barriers, spared: ["release"] } : undefined;
  return { theme, faults: size.faults, shape, variant, keys, scripts, sources, sourceSettings, settings, failingEffects: drawFailing(tape, shape), operators };
}

function drawFailing(tape: Tape, { effects }: Shape): number {
  return effects === undefined ? 0 : tape.pick([0, 150, 400, 800]);
}

function drawMenu(tape: Tape, { walls }: Size): { -readonly [K in keyof Menu]: Menu[K] } {
  const on = () => tape.chance(400);
  const menu = {
    timers: tape.chance(700),
    wall: on(),
    walls,
    holds: on(),
    brief: on(),
    clear: on(),
    failing: on(),
    poison: tape.chance(350),
    waiting: on(),
    slow: false,
    crowded: false,
    looping: false,
    early: on(),
    mortal: false,
  };
  return { ...menu, attempts: menu.waiting ? ATTEMPTS : tape.pick(menu.poison ? [3, 2, 1] : [ATTEMPTS, 3, 2]) };
}

// ── scripts ───────────────────────────────────────────────────────────────────────────────────────────────────────

function drawScript(tape: Tape, computation: Computed, menu: Menu, keys: readonly string[], filtered: boolean): Script {
  const draw = (isTimer: boolean): Program => drawProgram(tape, computation, menu, keys, isTimer);
  return {
    records: Array.from({ length: RECORD_PROGRAMS }, () => draw(false)),
    timers: Array.from({ length: TIMER_PROGRAMS }, () => draw(true)),
    flush: draw(true),
    filter: filtered ? Array.from({ length: RECORD_PROGRAMS }, () => tape.pick(VERDICTS)) : undefined,
  };
}

function drawProgram(tape: Tape, computation: Computed, menu: Menu, keys: readonly string[], isTimer: boolean): Program {
  const steps: Step[] = [{ do: "add", by: 1 + tape.choose(9) }];
  const length = tape.choose(isTimer ? 4 : 6);
  let produced = 0;
  let set = 0;
  for (let i = 0; i < length; i++) {
    const kind = tape.choose(12);
    if (kind <= 3 && produced < (isTimer ? 1 : 3)) {
      produced++;
      steps.push({ ...drawProduction(tape, computation, keys), do: "produce", after: tape.pick([0, 0, 0, 40, 700]) });
    } else if (kind === 4 && menu.holds && produced < 3) {
      produced++;
      steps.push({ ...drawProduction(tape, computation, keys), do: "produce-held" });
    } else if (kind <= 7) {
      if (set < (isTimer ? 1 : 3)) steps.push(...drawTimer(tape, menu));
      set++;
    } else if (kind === 8 && menu.timers) steps.push({ do: "delete", timer: tape.pick(["due", "flush", "wait"]), tag: tape.choose(TIMER_PROGRAMS) });
    else if (kind === 9 && menu.holds && !isTimer) steps.push(drawHold(tape));
    else if (kind === 10 && menu.brief) steps.push(tape.pick<Step>([{ do: "look" }, { do: "put", value: 1 + tape.choose(90) }, { do: "drop" }]));
    else if (kind === 11) {
      if (menu.waiting && tape.choose(2) === 0) steps.push({ do: "wait" });
      else if (menu.clear && !isTimer && tape.choose(3) === 0) steps.push({ do: "clear" });
    }
  }
  if (menu.crowded && !isTimer && tape.chance(700)) steps.push(...drawTimer(tape, menu), drawHold(tape));
  if (menu.looping && set === 0 && tape.chance(900)) steps.push(...drawTimer(tape, menu));
  if (menu.slow && tape.chance(800)) steps.unshift({ do: "wait" });
  if (menu.failing && tape.chance(menu.slow || menu.looping ? 700 : 250))
    steps.splice(tape.choose(steps.length + 1), 0, { do: "fail", tries: drawTries(tape, menu, isTimer) });
  return steps;
}

/** Either always, or less often than it is tried; where letters are revived, also as often as that and more. */
function drawTries(tape: Tape, { poison, attempts, mortal }: Menu, isTimer: boolean): number {
  if (mortal && !isTimer && tape.chance(400)) return attempts + tape.choose(attempts + 1);
  if (poison && (attempts === 1 || tape.chance(400))) return Number.POSITIVE_INFINITY;
  return Math.min(1 + tape.choose(2), attempts - 1);
}

function drawProduction(tape: Tape, { outputs }: Computed, keys: readonly string[]): { to: number; key: string; other: string; program: number } {
  const other = tape.chance(40) ? "" : tape.pick(keys);
  return { to: tape.choose(outputs.length), key: tape.pick(keys), other, program: tape.choose(RECORD_PROGRAMS) };
}

function drawTimer(tape: Tape, menu: Menu): Step[] {
  const timer = tape.pick(["due", "due", "flush", "wait"] as const);
  if (timer === "wait" ? !menu.wall : !menu.timers) return [];
  const after = timer === "wait" ? tape.pick(menu.walls) : tape.pick([500, 0, 1, 100, 2_500, -50, -1_000]);
  const output = menu.early ? tape.pick([undefined, "none", 0, 60] as const) : undefined;
  return [{ do: "set", timer, tag: tape.choose(TIMER_PROGRAMS), from: tape.pick(["call", "call", "watermark"]), after, output }];
}

function drawHold(tape: Tape): Step {
  const after = tape.pick([0, 100, -80]);
  return { do: "hold", after, until: Math.max(after, 0) + tape.pick([200, 0, 1_500]) };
}

// ── sources ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface DrawnSource {
  readonly policy: WatermarkPolicy;
  readonly ids: boolean;
  readonly retention: number;
  readonly sources: readonly SimulatedSource[];
}

function drawSource(tape: Tape, name: string, records: number, partitions: number, keys: readonly string[], size: Size): DrawnSource {
  const { silences, silent, late, slow } = size;
  const idle = tape.chance(size.idle) ? { idleAfter: tape.pick([200, 40, 15]) } : {};
  const disorder = tape.pick([0, 30, 300]);
  const marked = tape.chance(300);
  const trails = tape.chance(60) ? tape.pick([400, 2_000, 800]) : undefined;
  if (trails !== undefined) {
    const setting = { records, keys, disorder, marked: false, ids: false, idles: true, silences, silent, late, trails };
    const sources = Array.from({ length: partitions }, (_, partition) => ({ ...drawPartition(tape, { ...setting, name: `${name}/${partition}` }), trails }));
    return { policy: trailingClock(trails), ids: false, retention: RETENTION, sources };
  }
  const policy = marked ? byHand(idle) : disorder === 0 ? ascending(idle) : boundedDisorder(disorder, idle);
  const ids = tape.chance(300);
  const retention = ids ? tape.pick([RETENTION, 300, 20]) : RETENTION;
  const sources = Array.from({ length: partitions }, (_, partition) =>
    drawPartition(tape, { name: `${name}/${partition}`, records, keys, disorder, marked, ids, idles: idle.idleAfter !== undefined, silences, silent, late }),
  );
  return { policy, ids, retention, sources: sources.map((each) => (slow > 0 ? { ...each, slow } : each)) };
}

interface PartitionSetting {
  readonly name: string;
  readonly records: number;
  readonly keys: readonly string[];
  readonly disorder: number;
  readonly marked: boolean;
  readonly ids: boolean;
  /** Silence is a sign here, so there is more of it. */
  readonly idles: boolean;
  /** ms for which it may have nothing. */
  readonly silences: readonly number[];
  /** Of a thousand items, before how many. */
  readonly silent: number;
  /** Of a thousand records, how many are late. */
  readonly late: readonly number[];
  /** Event time is the clock of its arrival, which the policy trails by this; undefined: it is its own. */
  readonly trails?: number;
}

function drawPartition(tape: Tape, { name, records, keys, disorder, marked, ids, idles, silences, silent, late, trails }: PartitionSetting): SimulatedSource {
  const items: SimulatedItem[] = [];
  const gap = tape.pick([10, 0, 1, 100]);
  const lateness = tape.pick(late);
  const badness = tape.pick([0, 0, 0, 30]);
  let arrival = FIRST;
  let largest = -1;
  let promise = -1;
  const add = (item: Omit<SourceItem, "position">) => {
    if (tape.chance(idles ? Math.max(200, silent) : silent)) arrival += tape.pick(silences);
    items.push({ item: { ...item, position: items.length + 1 }, arrival, promise });
  };
  for (let i = 0; i < records; i++) {
    const isLate = tape.chance(lateness);
    const happens = trails === undefined ? FIRST_EVENT + i * gap : arrival;
    const timestamp = Math.max(0, happens - tape.choose(disorder + 1) - (isLate ? tape.pick([disorder + 1, 400, 3_000]) : 0));
    const other = tape.chance(40) ? "" : tape.pick(keys);
    const value: Item = { id: `${name}/${items.length + 1}`, key: tape.pick(keys), other, program: tape.choose(RECORD_PROGRAMS) };
    const bad = tape.chance(badness);
    if (bad && tape.choose(2) === 0) add({ value: value.id, failure: "not a value" });
    else {
      const repeated = ids && tape.chance(150) ? items[tape.choose(items.length)]?.item : undefined;
      if (repeated !== undefined && !repeated.mark && repeated.failure === undefined) {
        add({ value: repeated.value, timestamp: repeated.timestamp });
        continue;
      }
      const stamp = bad ? tape.pick([Number.NaN, -5, 1.5]) : timestamp;
      if (!bad && !marked && stamp > largest) {
        largest = stamp;
        promise = Math.max(promise, largest - disorder);
      }
      add({ value, timestamp: stamp });
    }
    if (marked && tape.chance(200)) {
      promise = Math.max(promise, timestamp - tape.choose(50));
      add({ value: undefined, mark: true, watermark: promise });
    }
  }
  return { items };
}
