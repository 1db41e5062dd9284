/** How large a drawn run may be, and what it may be all about. */
import type { Rates } from "../../src/testing/simulation/faults.ts";
import type { Settings } from "../../src/testing/simulation/simulation-options.ts";
import type { Tape } from "../../src/testing/simulation/tape.ts";
import { type Shape, shapes } from "./shapes.ts";

/** How large a run may be. Most are small: what goes wrong takes little to go wrong, and many small runs cost what one large one does. */
export interface Size {
  readonly shapes: readonly Shape[];
  readonly keys: number;
  readonly shards: readonly number[];
  readonly domains: readonly number[];
  /** Of all partitions of all sources, where no effect takes them, and where one does. */
  readonly records: readonly number[];
  readonly effected: readonly number[];
  readonly leases: readonly number[];
  /** ms for which a source may have nothing. */
  readonly silences: readonly number[];
  /** Of a thousand items, before how many. */
  readonly silent: number;
  /** ms after which a wall timer is due. */
  readonly walls: readonly number[];
  readonly faults: Rates;
  /** How many timers and holds a new owner reads at once. */
  readonly recover: readonly number[];
  /** Of a thousand sources, how many go idle. */
  readonly idle: number;
  /** Of a thousand records, how many come behind what was promised. */
  readonly late: readonly number[];
  /** ms that a source takes for few items, at most; 0: it gives what there is. */
  readonly slow: number;
  /** Of a thousand runs, how many have one worker at a time. */
  readonly exclusive: number;
  /** ms that a request or an answer is on its way, at most, where there are several workers. */
  readonly latencies: readonly number[];
  /** Of a thousand steps, before how many an operator sets a barrier, or does something to a timer. */
  readonly barriers: readonly number[];
  /** As in `Settings`. */
  readonly punctual: boolean;
  readonly begins: Settings["begins"];
}

const LARGE: Size = {
  shapes,
  keys: 6,
  shards: [1, 2, 3, 5, 8],
  domains: [1, 1, 2, 3, 8],
  records: [10, 20, 50],
  effected: [5, 10, 15],
  leases: [2_000, 1_000, 1_000, 400, 200],
  silences: [3, 30, 300, 1_200],
  silent: 60,
  walls: [20, 0, 200, 2_000, -5],
  faults: { perMille: [0, 10, 20, 30, 30, 60, 100], steps: [0, 150, 240, 400, 400, 700] },
  recover: [10_000, 10_000, 10_000, 5, 2, 1],
  idle: 250,
  late: [0, 0, 60, 200],
  slow: 0,
  exclusive: 300,
  latencies: [0, 0, 4, 30],
  barriers: [0, 0, 0, 20, 60],
  punctual: false,
  begins: undefined,
};
/** Where time passes with nothing but heartbeats in it, it takes steps: so little passes. */
const SMALL: Size = {
  shapes: shapes.filter(({ computations }) => computations.length <= 2),
  keys: 3,
  shards: [1, 2, 3],
  domains: [1, 1, 2, 3],
  records: [3, 6],
  effected: [2, 4],
  leases: [1_000, 400, 1_000, 200],
  silences: [3, 30, 300, 30],
  silent: 60,
  walls: [20, 0, 200, 100, -5],
  faults: { perMille: [20, 10, 30, 40, 60, 60, 100], steps: [0, 60, 80, 100, 120, 140, 160] },
  recover: LARGE.recover,
  idle: LARGE.idle,
  late: LARGE.late,
  slow: LARGE.slow,
  exclusive: LARGE.exclusive,
  latencies: LARGE.latencies,
  barriers: LARGE.barriers,
  punctual: LARGE.punctual,
  begins: LARGE.begins,
};
/** Of a thousand runs, how many are large. */
const LARGER = 100;

/** What a small run may be all about: wrongs that take several things at once which few runs have together. */
export type Theme =
  /** Calls that are slow and fail, of few keys, and letters that are tried again while others run. */
  | "letters"
  /** Requests that wait for what comes of their records, which comes slowly, over several domains. */
  | "barriers"
  /** More timers and holds in a shard than its next owner reads at once. */
  | "pages"
  /** Sources that fall silent and go idle, and calls whose answers are lost or that come late. */
  | "silences"
  /** Records that are handed over in chains: calls that do not wait, of shards that have nothing else to do, and owners that change. */
  | "chains"
  /** Records that are handed over ahead of their commit: several pulls of a source while one is under way, and receivers that are lost alone. */
  | "pledges"
  /** Workers that have hardly begun: what they are granted, register and anchor, when answers to it are lost and they crash. */
  | "beginnings"
  /** The end of time, to which looping timers and their failures come while it is not known what became of a commit. */
  | "ends"
  /** Late records, slow calls, and workers that are started in the place of dead ones, beside others that hold the watermark back. */
  | "successors";
/** Drawn with the same chance each; what is in it twice takes the most to happen. */
const THEMES: readonly Theme[] = [
  "letters",
  "barriers",
  "pages",
  "silences",
  "silences",
  "chains",
  "beginnings",
  "beginnings",
  "successors",
  "pledges",
  "pledges",
  "ends",
  "ends",
];
/** Of a thousand runs, how many have one. */
const THEMED = 650;

/** Where what is drawn for a run with a theme differs from a small one. */
const THEMED_SIZES: Readonly<Record<Theme, Size>> = {
  letters: {
    ...SMALL,
    shapes: SMALL.shapes.filter(({ effects }) => effects === undefined),
    keys: 1,
    shards: [1],
    records: [8, 14],
    silent: 800,
    silences: [300, 30, 600],
    faults: { perMille: [0, 10, 20], steps: [240, 400] },
  },
  barriers: {
    ...SMALL,
    shapes: SMALL.shapes.filter(({ effects }) => effects === undefined),
    domains: [1, 2, 3],
    records: [8, 14],
    silent: 500,
    silences: [30, 3, 100],
    faults: { perMille: [10, 20], steps: [600, 400] },
    barriers: [120, 60],
  },
  pages: {
    ...SMALL,
    shapes: SMALL.shapes.filter(({ effects }) => effects === undefined),
    keys: 6,
    shards: [1],
    records: [8, 14],
    faults: { perMille: [30, 60], steps: [240, 300] },
    recover: [1, 2, 5],
  },
  silences: {
    ...SMALL,
    shapes: SMALL.shapes.filter(({ effects }) => effects === undefined),
    records: [8, 14],
    silent: 400,
    idle: 1_000,
    faults: { perMille: [40, 80], steps: [200, 300] },
    latencies: [4, 30],
    punctual: true,
  },
  chains: {
    ...SMALL,
    shapes: SMALL.shapes.filter(({ effects }) => effects === undefined),
    keys: 2,
    shards: [1, 1, 2],
    domains: [1, 1, 2],
    records: [14, 24],
    leases: [200, 400, 1_000],
    silent: 600,
    silences: [30, 100, 300],
    faults: { perMille: [20, 40], steps: [200, 300] },
  },
  pledges: {
    ...SMALL,
    shapes: SMALL.shapes.filter(({ effects }) => effects === undefined),
    keys: 6,
    shards: [2, 3],
    domains: [1],
    records: [20, 30],
    leases: [1_000, 400],
    silent: 0,
    slow: 20,
    faults: { perMille: [20, 40, 60], steps: [250, 300] },
    idle: 0,
    exclusive: 0,
    latencies: [30, 10],
    barriers: [120, 60],
    begins: "warm",
  },
  ends: {
    ...SMALL,
    shapes: SMALL.shapes.slice(0, 2),
    keys: 2,
    shards: [1],
    domains: [1],
    records: [3, 1],
    silent: 0,
    leases: [1_000],
    faults: { perMille: [30, 60], steps: [120, 160] },
    idle: 0,
    late: [300, 500],
    exclusive: 0,
    latencies: [150, 60, 30],
    barriers: [0, 120],
    begins: "warm",
  },
  beginnings: {
    ...SMALL,
    shapes: SMALL.shapes.filter(({ effects }) => effects === undefined),
    faults: { perMille: [30, 60, 100], steps: [60, 90, 120] },
    leases: [1_000, 2_000],
    silent: 0,
    idle: 0,
    latencies: [4, 30],
    begins: "cold",
  },
  successors: {
    ...SMALL,
    shapes: SMALL.shapes.filter(({ effects }) => effects === undefined),
    keys: 6,
    shards: [2, 2, 3],
    domains: [1],
    records: [14, 20],
    silent: 500,
    silences: [30, 100, 300],
    faults: { perMille: [30, 60], steps: [300, 400] },
    late: [200, 400],
    idle: 0,
  },
};

/** What the run is all about, if anything, and its size. */
export function drawSize(tape: Tape): { readonly theme: Theme | undefined; readonly size: Size } {
  const theme = tape.chance(THEMED) ? tape.pick(THEMES) : undefined;
  return { theme, size: theme !== undefined ? THEMED_SIZES[theme] : tape.chance(LARGER) ? LARGE : SMALL };
}
