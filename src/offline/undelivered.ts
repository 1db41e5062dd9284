/**
 * Takes what a stopped pipeline has for other atomic domains to where it is for, as its workers would (`worker/delivery.ts`):
 * in order, by places, so that what was delivered before is known. The entries stay: only an owner's commit deletes them.
 */
import { StoreRefusedError } from "../errors.ts";
import { indexOf, participantOf, type ShardRef } from "../key.ts";
import { comparePlaces } from "../dedup/place.ts";
import type { Delivery, PipelineStore, RecoveredShard } from "../store/index.ts";

/** Shards read, and entries delivered, at once. */
const SHARDS = 64;
const ENTRIES = 256;

/** Throws `StoreRefusedError` where a receiver has lost what its sender has deleted: only workers can go on from there. */
export async function deliverAll(store: PipelineStore, shards: readonly ShardRef[], keep: () => Promise<void>): Promise<void> {
  if (store.domains === 1) return;
  const known = new Set(shards);
  for (let from = 0; from < shards.length; from += SHARDS) {
    for (const recovered of await store.recover(shards.slice(from, from + SHARDS), { timers: 1, holds: 1 })) {
      const byDomain = new Map<number, Delivery[]>();
      for (const delivery of deliveriesOf(recovered)) {
        if (!known.has(delivery.to)) continue;
        const domain = store.domainOf(delivery.to);
        byDomain.set(domain, [...(byDomain.get(domain) ?? []), delivery]);
      }
      for (const deliveries of byDomain.values()) await deliver(store, deliveries);
    }
    await keep();
  }
}

/** Of place 0 is the note of a channel's last place. */
function deliveriesOf({ shard, outbox }: RecoveredShard): Delivery[] {
  return outbox
    .filter(({ place }) => place.n > 0)
    .toSorted((a, b) => a.target - b.target || comparePlaces(a.place, b.place))
    .map(({ target, place, previous, records, bytes }) => ({ from: shard, to: target, place, previous, records, bytes }));
}

async function deliver(store: PipelineStore, deliveries: readonly Delivery[]): Promise<void> {
  for (let from = 0; from < deliveries.length; from += ENTRIES) {
    const part = deliveries.slice(from, from + ENTRIES);
    const { outcomes } = await store.deliver(part);
    const behind = part[outcomes.findIndex(({ outcome }) => outcome === "behind")];
    if (behind === undefined) continue;
    throw new StoreRefusedError(
      `${store.description}: shard ${indexOf(behind.to)} of participant ${participantOf(behind.to)} has lost what shard ${indexOf(behind.from)} of ` +
        `participant ${participantOf(behind.from)} sent it: run the pipeline until it has come over that, and stop it again`,
    );
  }
}
