/** What the auditor of a simulation knows of the end: when there is nothing left to do. */
import { expect, test } from "vitest";
import { shapes, staged } from "../../sim/workload/shapes.ts";
import { byHand } from "../../src/index.ts";
import { cbor } from "../../src/computation/cbor-codec.ts";
import { encodePayload } from "../../src/computation/envelope.ts";
import { participantOf, type ShardRef, shardRef } from "../../src/key.ts";
import { timerMember } from "../../src/store/address.ts";
import { type Commit, NO_EFFECTS } from "../../src/store/commit.ts";
import type { ParticipantWatermark } from "../../src/store/store.ts";
import { StoreAudit } from "../../src/testing/simulation/store-audit.ts";
import { BEGINNING, END } from "../../src/time.ts";
import { encodeImage, newImage } from "../../src/worker/image.ts";
import { packParcel, Production } from "../../src/worker/parcel.ts";

type Told = readonly [status: ParticipantWatermark["status"], output: number];
const FINISHED: Told = ["finished", END];
const CODEC = cbor<number>();
const SHAPE = shapes[0] as (typeof shapes)[number];
const VARIANT = { shards: 1, domains: 1, attempts: 1, partitions: 1, asynchronous: false, effects: undefined, maxSkew: undefined, percentile: undefined };

const TIMER = { clock: "wall" as const, member: timerMember(7, undefined, "k") };

test.each([
  ["a wall timer", { timerDeletes: [TIMER] }],
  ["a wall timer that sets itself anew", { timerSets: [{ ...TIMER, time: 9 }] }],
])("what %s produces after the end of its computation is waited for, also where a new owner has reported that live again", async (_, firing) => {
  const { plan, current } = await staged(SHAPE, { ...VARIANT, filtered: false });
  current.stage = { scripts: new Map(), tries: new Map(), sources: new Map([["i", { policy: byHand(), ids: false, retention: 1_000 }]]) };
  const audit = StoreAudit.of(plan, new Map(), { effects: undefined, operators: undefined });
  const refOf = (name: string): ShardRef => shardRef(plan.participants.find((each) => each.name === name)?.id ?? 0, 0);
  const [injector, computation, sink] = [refOf("i"), refOf("A"), refOf("s")];
  const commit = (shard: ShardRef, number: number, what: Partial<Commit>) =>
    audit.committed({ ...NO_EFFECTS, shard, sequencer: "1-a", number, id: "", graphVersion: plan.version, image: atEnd, ...what }, 0);
  const publish = (ofComputation: Told, ofSink: Told) => {
    const told: readonly [ShardRef, Told][] = [
      [injector, ["finished", END]],
      [computation, ofComputation],
      [sink, ofSink],
    ];
    audit.published(told.map(([shard, [status, output]]) => ({ participant: participantOf(shard), output, status, last: BEGINNING })));
  };
  for (const shard of [injector, computation, sink]) audit.granted(shard, "w1", "1-a");
  commit(injector, 1, {});
  publish(["live", BEGINNING], ["live", BEGINNING]);
  commit(computation, 1, { timerSets: [{ ...TIMER, time: 5 }] });
  publish(FINISHED, ["live", BEGINNING]);
  publish(FINISHED, FINISHED);
  expect(audit.finished).toBe(true);

  audit.granted(computation, "w2", "1-a");
  publish(["live", END], FINISHED);
  const produced = { value: 1, timestamp: 5, id: undefined, place: 1, senderKey: "k" };
  const production = new Production(sink, 0, produced, "k", CODEC, encodePayload(CODEC, 1));
  commit(computation, 2, { ...firing, parcels: [{ target: sink, records: 1, bytes: packParcel(computation, 1, [production]) }] });
  publish(FINISHED, FINISHED);
  expect(audit.finished).toBe(false);
});

const atEnd = encodeImage({ ...newImage(), input: END, checkpoint: { position: 0, done: true } });
