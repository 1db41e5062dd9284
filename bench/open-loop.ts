/**
 * A source at a fixed rate, whatever becomes of its records: each is due at a time fixed beforehand, and what is measured
 * counts from then, so a stall shows in every record that it delays. A process that goes on for one that was killed keeps
 * to the same schedule.
 */
import { type Injector, injector } from "../src/index.ts";
import { ascending } from "../src/watermark/ascending.ts";
import { type Probe, now } from "./harness/workload.ts";
import { Metronome } from "./metronome.ts";

export interface Schedule {
  /** Records a second. */
  readonly rate: number;
  readonly seconds: number;
  /** Seconds before them that warm the code up and are not counted. */
  readonly warmUp: number;
}

/** Ticks a second: a record waits for the next one, so this is part of what is measured. */
const TICKS = 4_000;

export const recordsOf = ({ rate, seconds, warmUp }: Schedule): number => Math.round(rate * (seconds + warmUp));
/** Is record n after the warm-up? */
export const counts = ({ rate, warmUp }: Schedule, n: number): boolean => n >= rate * warmUp;

/** `valueOf`: of record n, due at `due`, ms since the epoch; that is its event time too, in whole ms. `ids`: as `Load.ids`. */
export function openLoop<T>(
  schedule: Schedule,
  probe: Probe,
  valueOf: (n: number, due: number) => T,
  ids: "none" | "deduplicated" | "unchecked" = "none",
): Injector<T> {
  const { rate } = schedule;
  const all = recordsOf(schedule);
  return injector<T>({
    kind: "injector",
    description: `${rate} records/s`,
    partitions: 1,
    timestamp: undefined,
    id: ids === "none" ? undefined : "item",
    idRetention: ids === "deduplicated" ? 3_600_000 : 0,
    deduplicate: ids !== "unchecked",
    watermark: ascending(),
    maxAhead: Number.POSITIVE_INFINITY,
    open: (_context, position) => {
      const metronome = new Metronome(TICKS);
      let n = (position as number | undefined) ?? 0;
      let warm = false;
      const close = async () => {
        probe.notes["machineP99Ms"] = metronome.late(0.99);
        probe.notes["machineMaxMs"] = metronome.late(1);
        await metronome.stop();
      };
      const pull = async (max: number) => {
        const began = probe.begin();
        const dueOf = (i: number) => began + (i * 1_000) / rate;
        while (n < all && dueOf(n) > now()) await metronome.tick();
        if (!warm && counts(schedule, n)) {
          warm = true;
          metronome.reset();
        }
        const items = [];
        for (const at = now(); n < all && items.length < max && dueOf(n) <= at; n++) {
          const due = dueOf(n);
          items.push({ value: valueOf(n, due), timestamp: Math.floor(due), id: ids === "none" ? undefined : `id-${n}`, position: n + 1 });
        }
        probe.pulled += items.length;
        return { items, done: n >= all };
      };
      return Promise.resolve({ pull, close });
    },
  });
}
