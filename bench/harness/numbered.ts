/** A source of numbered records that is read as fast as it is asked: what the workloads at saturation are fed by. */
import { ascending, type Injector, injector, type WatermarkPolicy } from "../../src/index.ts";
import type { Probe } from "./workload.ts";

export interface Numbered<T> {
  readonly description: string;
  readonly records: number;
  /** Called before the first is pulled, with its number: what takes time to make can be made there. */
  readonly from: (first: number) => { readonly valueOf: (n: number) => T; readonly timeOf: (n: number) => number };
  /** Default: `ascending()`. */
  readonly watermark?: WatermarkPolicy;
  /** Told of each pull; undefined: these are not the records of the run. */
  readonly probe?: Probe | undefined;
}

export function numbered<T>({ description, records, from, watermark = ascending(), probe }: Numbered<T>): Injector<T> {
  return injector<T>({
    kind: "injector",
    description,
    partitions: 1,
    timestamp: undefined,
    id: undefined,
    idRetention: 0,
    watermark,
    maxAhead: Number.POSITIVE_INFINITY,
    open: (_context, position) => {
      let n = (position as number | undefined) ?? 0;
      const { valueOf, timeOf } = from(n);
      const pull = (max: number) => {
        probe?.begin();
        const items = [];
        for (const end = Math.min(n + max, records); n < end; n++) items.push({ value: valueOf(n), timestamp: timeOf(n), position: n + 1 });
        if (probe !== undefined) probe.pulled += items.length;
        return Promise.resolve({ items, done: n >= records });
      };
      return Promise.resolve({ pull, close: () => Promise.resolve() });
    },
  });
}
