/** The last things that a worker does at the store: waits for what must not be left half done, and frees its shards. */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { Lease, PipelineStore } from "../store/store.ts";
import type { Engine } from "./engine.ts";

/** ms that one whose work is not committed any more waits for the end of a sink's write. */
const WRITING = 5_000;

/** Settles once `ready`, or after about `limit` ms. */
export async function waitUntil(ready: () => boolean, clock: Clock, limit: number): Promise<void> {
  const until = clock.now() + limit;
  while (!ready() && clock.now() < until) await new Promise<void>((resolve) => void clock.after(1, resolve));
}

/** Others may acquire them at once; from a store that is away, when the leases have run out. */
export async function releaseAll(store: PipelineStore, worker: string, leases: readonly Lease[]): Promise<void> {
  try {
    await store.release(worker, leases);
    await store.flushed();
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
  }
}

/**
 * Of one none of whose commits is taken any more: frees what it has, and settles when no sink of its own is amid a write,
 * and what it had asked for has been answered: it may have got that.
 */
export async function makeRoom({ options: { worker }, ownership }: Engine, store: PipelineStore, clock: Clock): Promise<void> {
  await store.depart(worker);
  const leases = ownership.leases();
  const touched = ({ shard }: Lease) => ownership.handOver.touches(shard);
  const free = leases.filter((lease) => !touched(lease));
  await releaseAll(store, worker, free);
  const asking = () => ownership.claimed().some((shard) => ownership.stageOf(shard) === "acquiring");
  await waitUntil(() => !leases.some(touched) && !asking(), clock, WRITING);
}
