/**
 * A worker of a benchmark in a process of its own. It says that it is loaded, is given one order, does it, tells what it
 * has measured and ends; or dies by SIGKILL where it is ordered to. It ends, too, when whoever started it does.
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
}
export type ProcessOrder = WorkOrder | { readonly kind: "raw"; readonly target: string; readonly load: RawLoad };

export type Told =
  | { readonly kind: "loaded" }
  | { readonly kind: "dies"; readonly measured: Measured }
  | { readonly kind: "worked"; readonly measured: Measured; readonly verdict: Verdict | undefined }
  | { readonly kind: "raw"; readonly figures: RawFigures };

/** With commits under way, and work begun: nothing is closed or waited for. */
const die = (measured: Measured): void => void process.send?.({ kind: "dies", measured } satisfies Told, () => process.kill(process.pid, "SIGKILL"));

async function obey(order: ProcessOrder): Promise<Told> {
  if (order.kind === "raw") return { kind: "raw", figures: await rawRedis(order.target, order.load) };
  const workload = workloadOf(order.workload);
  const store = openAddress(order.store);
  const measured = await work(workload, order.settings, store, order.options, die);
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
process.send?.({ kind: "loaded" } satisfies Told);
