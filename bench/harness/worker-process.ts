/**
 * A worker of a benchmark in a process of its own. It says that it is loaded, is given one order, does it, tells what it
 * has measured and ends; it ends, too, when whoever started it does.
 */
import { rawRedis, type RawLoad, type RawFigures } from "../raw-redis.ts";
import { openAddress, type StoreAddress } from "../stores.ts";
import { workloadOf } from "../workloads.ts";
import { conclude, type Verdict } from "./conclude.ts";
import { type Measured, work, type WorkOptions } from "./worker.ts";

export interface WorkOrder {
  readonly kind: "work";
  readonly workload: string;
  readonly settings: unknown;
  readonly store: StoreAddress;
  readonly options: WorkOptions;
  /** Tell every so often what has been measured, for this process may be killed. */
  readonly pulse: boolean;
}
export type ProcessOrder = WorkOrder | { readonly kind: "raw"; readonly target: string; readonly load: RawLoad };

export type Told =
  | { readonly kind: "loaded" }
  | { readonly kind: "pulse"; readonly measured: Measured }
  | { readonly kind: "worked"; readonly measured: Measured; readonly verdict: Verdict | undefined }
  | { readonly kind: "raw"; readonly figures: RawFigures };

const tell = (told: Told): void => void process.send?.(told);

async function obey(order: ProcessOrder): Promise<Told> {
  if (order.kind === "raw") return { kind: "raw", figures: await rawRedis(order.target, order.load) };
  const workload = workloadOf(order.workload);
  const store = openAddress(order.store);
  const measured = await work(workload, order.settings, store, order.options, order.pulse ? (of) => tell({ kind: "pulse", measured: of }) : undefined);
  // No other process can look into this store.
  const verdict = order.store.kind === "memory" ? await conclude(store, workload, order.settings) : undefined;
  return { kind: "worked", measured, verdict };
}

process.on("disconnect", () => process.exit());
process.once("message", (order: ProcessOrder) => {
  obey(order).then(
    (told) => process.send?.(told, () => process.exit(0)),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
tell({ kind: "loaded" });
