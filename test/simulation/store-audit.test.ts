/** What the auditor of a simulation knows of the end, when there is nothing left to do; and what a commit may say that it has done. */
import { expect, test } from "vitest";
import { shapes, staged } from "../../sim/workload/shapes.ts";
import { byHand } from "../../src/index.ts";
import { cbor } from "../../src/computation/cbor-codec.ts";
import { encodePayload } from "../../src/computation/envelope.ts";
import { participantOf, type ShardRef, shardRef } from "../../src/key.ts";
import { timerMember } from "../../src/store/address.ts";
import { type Commit, NO_EFFECTS, PARCEL_IDENTITY_BYTES, type ParcelAppend } from "../../src/store/commit.ts";
import type { ParticipantWatermark } from "../../src/store/store.ts";
import { StoreAudit } from "../../src/testing/simulation/store-audit.ts";
import { BEGINNING, END } from "../../src/time.ts";
import { encodeImage, newImage } from "../../src/worker/image.ts";
import { packParcel, Production } from "../../src/worker/parcel.ts";
import { PLAIN } from "./plain-variant.ts";

type Told = readonly [status: ParticipantWatermark["status"], output: number];
const FINISHED: Told = ["finished", END];
const CODEC = cbor<number>();
const SHAPE = shapes[0] as (typeof shapes)[number];

const TIMER = { clock: "wall" as const, member: timerMember(7, undefined, "k") };

test.each([
  ["a wall timer", { timerDeletes: [TIMER] }],
  ["a wall timer that sets itself anew", { timerSets: [{ ...TIMER, time: 9 }] }],
])("what %s produces after the end of its computation is waited for, also where a new owner has reported that live again", async (_, firing) => {
  const { audit, injector, computation, sink, commit, publish } = await begun();
  commit(injector, 1, {});
  publish(["live", BEGINNING], ["live", BEGINNING]);
  commit(computation, 1, { timerSets: [{ ...TIMER, time: 5 }] });
  publish(FINISHED, ["live", BEGINNING]);
  publish(FINISHED, FINISHED);
  expect(audit.finished).toBe(true);

  audit.granted(computation, "w2", "1-a");
  publish(["live", END], FINISHED);
  commit(computation, 2, { ...firing, parcels: [parcel(computation, sink)] });
  publish(FINISHED, FINISHED);
  expect(audit.finished).toBe(false);
});

test("a commit that says of more records that they are done than it consumes is a violation", async () => {
  const { injector, computation, commit } = await begun();
  const given = parcel(injector, computation);
  commit(injector, 1, { parcels: [given] }, imageOf(BEGINNING, 0));
  const consumed = { position: 1, offset: 0, records: 1, identity: given.bytes.subarray(0, PARCEL_IDENTITY_BYTES) };
  commit(computation, 1, { consumed }, imageOf(BEGINNING, 1));
  expect(() => commit(computation, 2, {}, imageOf(BEGINNING, 2))).toThrow("has done 1 records, and had 0");
});

test("a computation is not finished while it has a record to do, also where that is late and holds nothing", async () => {
  const { injector, computation, commit, publish } = await begun();
  commit(injector, 1, {});
  publish(["live", BEGINNING], ["live", BEGINNING]);
  commit(injector, 2, { parcels: [parcel(injector, computation)] });
  expect(() => publish(FINISHED, ["live", BEGINNING])).toThrow("A is finished; ");
});

/** One injector, one computation and one sink of a shard each; all shards granted, nothing committed. */
async function begun() {
  const { plan, current } = await staged(SHAPE, PLAIN);
  current.stage = { scripts: new Map(), tries: new Map(), sources: new Map([["i", { policy: byHand(), ids: false, retention: 1_000 }]]) };
  const audit = StoreAudit.of(plan, new Map(), { effects: undefined, operators: undefined });
  const refOf = (name: string): ShardRef => shardRef(plan.participants.find((each) => each.name === name)?.id ?? 0, 0);
  const [injector, computation, sink] = [refOf("i"), refOf("A"), refOf("s")];
  for (const shard of [injector, computation, sink]) audit.granted(shard, "w1", "1-a");
  const commit = (shard: ShardRef, number: number, what: Partial<Commit>, image = imageOf(END, 0)) =>
    audit.committed({ ...NO_EFFECTS, shard, sequencer: "1-a", number, id: "", graphVersion: plan.version, image, ...what }, 0);
  const publish = (ofComputation: Told, ofSink: Told) => {
    const told: readonly [ShardRef, Told][] = [
      [injector, ["finished", END]],
      [computation, ofComputation],
      [sink, ofSink],
    ];
    audit.published(told.map(([shard, [status, output]]) => ({ participant: participantOf(shard), output, status, last: BEGINNING })));
  };
  return { audit, injector, computation, sink, commit, publish };
}

function imageOf(input: number, processed: number): Uint8Array {
  const fresh = newImage();
  return encodeImage({ ...fresh, input, counters: { ...fresh.counters, processed }, checkpoint: { position: 0, done: input === END } });
}

/** One record, the first that this sender has for the target. */
function parcel(sender: ShardRef, target: ShardRef): ParcelAppend {
  const produced = { value: 1, timestamp: 5, id: undefined, place: 1, senderKey: "k" };
  const production = new Production(target, 0, produced, "k", CODEC, encodePayload(CODEC, 1));
  return { target, records: 1, bytes: packParcel(sender, 1, [production]) };
}
