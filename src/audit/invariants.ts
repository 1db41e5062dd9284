/**
 * What an audit checks: each invariant with what it claims, what it means where it is broken, and what to do. The table
 * in docs/audit.md says the same, word for word (`test/audit/documented.test.ts`).
 */

export interface Invariant {
  readonly claim: string;
  readonly meaning: string;
  readonly remedy: string;
}

const RESTORE = "Stop the pipeline and restore its data from a copy made before.";
const REPORT = "Stop the pipeline, keep a copy of its data, and report it as a bug of Millrace with the output of --json.";
const REPAIR = `Find out what else writes to the store. ${RESTORE}`;

export const INVARIANTS = {
  graph: {
    claim: "The stored graph gives each name and id once, and every stream that is read has a producer.",
    meaning: "The data cannot be told apart: two parts would share it.",
    remedy: REPAIR,
  },
  keys: {
    claim: "Every stored key belongs to a structure of a shard of the graph, and none of these is missing.",
    meaning: "Something else wrote under the pipeline's name, or keys were deleted, evicted, or have expired.",
    remedy: `Delete a key that is too many, if no one needs it. Where one is missing, see that Redis does not evict (maxmemory-policy noeviction). ${RESTORE}`,
  },
  counts: {
    claim: "What a shard counts of its entries is what is there, and every timer, hold and id is found by its name and by its time.",
    meaning: "A timer that is not in the order of times never fires; a shard that counts no state takes every key for a new one.",
    remedy: REPAIR,
  },
  kinds: {
    claim: "A shard has only what its kind can have: no state, timers or inbox in an injector, no state or timers in a sink, ids in injectors alone.",
    meaning: "Data lies where nothing will ever read it.",
    remedy: REPORT,
  },
  owner: {
    claim: "A shard's sequencer, its monotonic part, its owner and its lease are all there or all given up.",
    meaning: "A shard with an owner and no sequencer cannot be committed to; one whose monotonic part is behind could grant a sequencer twice.",
    remedy: "Restart the workers: whoever acquires the shard makes them anew. If it comes back, report it as a bug of Millrace.",
  },
  commit: {
    claim: "A shard that has committed has the number, the id and the image of its last commit; one that has not has none.",
    meaning: "A part of a commit is missing, so that a resend could be applied twice or what was counted be lost.",
    remedy: RESTORE,
  },
  image: {
    claim:
      "The image can be read; its times and counters are whole, its counts of ids are above every id in use, no percentile watermark is behind its low one.",
    meaning: "A new owner could not start from it, or would give an id twice and overwrite a held record or dead letter.",
    remedy: RESTORE,
  },
  "state-address": {
    claim: "Every state field names a cell of its computation.",
    meaning: "The value will never be read.",
    remedy: REPAIR,
  },
  "state-shard": {
    claim: "Every state field is in the shard of its key.",
    meaning: "The key's records go to another shard and find no state there.",
    remedy: RESTORE,
  },
  "state-value": {
    claim: "Every state value begins as its cell's codec writes it.",
    meaning: "The key's next record will fail: its state cannot be decoded.",
    remedy: "If the codec was changed, give the one the value was written with. Else the bytes are damaged: restore them from a copy of the data.",
  },
  "state-expiry": {
    claim: "Every state value that expires has its timer, for the time at which it does.",
    meaning: "The value will stay for ever, or go too early.",
    remedy: "The next write of the cell sets the timer again. If it comes back, report it as a bug of Millrace.",
  },
  "timer-address": {
    claim: "Every timer names a timer of its computation, on its clock.",
    meaning: "When it is due there is no one to call.",
    remedy: REPAIR,
  },
  "timer-shard": {
    claim: "Every timer is in the shard of its key, and set for a time that can come.",
    meaning: "It will fire without the key's state, or never.",
    remedy: RESTORE,
  },
  "hold-timer": {
    claim: "Every hold of a timer is that of a timer which is set, and not after the time of an event timer.",
    meaning: "The output watermark stands still for ever: what it waits for is gone.",
    remedy: `${REPORT} The watermark moves on once the entry is removed from the index of holds.`,
  },
  "hold-key": {
    claim: "Every hold of a key is in the index of holds and in the key's state, for the same time.",
    meaning: "The watermark stands still for a hold that its key does not know of, or passes one that it does.",
    remedy: REPORT,
  },
  held: {
    claim: "Every held record and timer can be read, belongs to this shard, and names an input or timer of its computation.",
    meaning: "A new owner cannot take the shard, or runs the work without its key's state.",
    remedy: RESTORE,
  },
  "dead-letters": {
    claim: "Every dead letter can be read and belongs to this shard.",
    meaning: "It cannot be shown or taken up again; nothing else depends on it.",
    remedy: "Note what the report says of it; the pipeline can go on.",
  },
  "inbox-position": {
    claim: "An inbox has the parcels between where it is consumed to and its end, and knows the one consumed last.",
    meaning: "Records were lost or are there twice, so no worker takes the shard; or the owner's next commit will be refused for ever.",
    remedy: RESTORE,
  },
  "inbox-parcels": {
    claim: "Every parcel that waits can be read and comes from a shard that sends; those of one sender are in the order of its owners.",
    meaning: "The shard stops at what it cannot read, or takes records in another order than they were sent in.",
    remedy: RESTORE,
  },
  "inbox-queued": {
    claim: "An inbox counts as many records waiting as its parcels hold.",
    meaning: "Back-pressure goes by the count: too high, and senders wait for ever; too low, and nothing bounds the inbox.",
    remedy: REPAIR,
  },
  "inbox-records": {
    claim: "Every record that waits names an input of its consumer, is in the shard of its key, and begins as its stream's codec writes it.",
    meaning: "It will be processed without its key's state, or cannot be decoded.",
    remedy: RESTORE,
  },
  once: {
    claim: "No production waits twice, be it in the inbox or held.",
    meaning: "A record will be processed twice.",
    remedy: REPORT,
  },
  outbox: {
    claim: "Every outbox entry can be read and leads to a shard of the graph.",
    meaning: "It cannot be delivered.",
    remedy: RESTORE,
  },
  "client-ids": {
    claim: "Every client id is one that a client may give, and is as old as a record that was taken.",
    meaning: "A record sent again would be taken as new, or the id never be forgotten.",
    remedy: REPAIR,
  },
  authority: {
    claim: "The watermark authority has each shard in one worker's cell, and publishes what the cells allow and no more.",
    meaning: "A watermark is published too high, so that records become late; or too low, and stands still.",
    remedy:
      "Restart the workers: they register and report anew. A watermark that was published too high stays so: what was late in between has to be done again from a copy of the data.",
  },
  "watermark-upstream": {
    claim: "No input or output watermark is ahead of all the watermarks that feed it.",
    meaning: "Records that are on time upstream are late here.",
    remedy: REPORT,
  },
  "watermark-pending": {
    claim: "No watermark has passed a held record, or what an injector has committed to; none that is at its end has anything left to do.",
    meaning: "What is produced from it is late downstream.",
    remedy: REPORT,
  },
  monotone: {
    claim: "While the audit runs, no commit number, position, watermark or processing time falls.",
    meaning: "The store lost its tail, or someone restored a part of it while the pipeline ran.",
    remedy: "See the log of the store for a failover or restart. If there was none: stop the pipeline and restore all of its data from one copy.",
  },
} as const satisfies Readonly<Record<string, Invariant>>;

export type InvariantId = keyof typeof INVARIANTS;
