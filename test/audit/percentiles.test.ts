/** Percentile watermarks in an audit: what a pipeline leaves is sound, and what is damaged is named. */
import { beforeEach, expect, test } from "vitest";
import { FollowedTracks } from "../../src/audit/track-rules.ts";
import { Findings } from "../../src/audit/findings.ts";
import { AuditedShard, StoredNames } from "../../src/audit/stored-names.ts";
import { systemClock } from "../../src/clock.ts";
import { MemoryStore } from "../../src/index.ts";
import { audit } from "../../src/inspect/index.ts";
import { shardRef } from "../../src/key.ts";
import { StoppedPipeline } from "../../src/offline/stopped-pipeline.ts";
import { systemRandom } from "../../src/random.ts";
import type { PipelineStore } from "../../src/store/store.ts";
import type { StoredGraph } from "../../src/store/stored-graph.ts";
import { newAuthority } from "../../src/watermark/authority.ts";
import { trackOf } from "../../src/watermark/percentile.ts";
import { decodeImage, encodeImage, newImage, type ShardImage } from "../../src/worker/image.ts";
import { Early } from "./early.ts";

const SHARDS = 2;
let memory: MemoryStore;
let store: PipelineStore;
let graph: StoredGraph;

beforeEach(async () => {
  memory = new MemoryStore({ exclusive: false });
  const early = new Early();
  early.feed.push("a", 10).push("b", 20).push("a", 105).push("b", 110).push("a", 120);
  await early.run(memory, SHARDS, ["a early 0", "b early 0"]);
  store = await memory.open({ pipeline: "early", clock: systemClock, random: systemRandom });
  graph = (await store.readGraph()) as StoredGraph;
});

const idOf = (name: string): number => graph.participants.find((each) => each.name === name)?.id as number;

async function violated(): Promise<Record<string, string>> {
  const { invariants } = await audit(memory, { pipeline: "early" });
  const broken = invariants.filter(({ violations }) => violations > 0);
  return Object.fromEntries(
    broken.map(({ invariant, examples }) => [invariant, examples.map(({ participant, found }) => `${participant}: ${found}`).join("\n")]),
  );
}

async function publish(name: string, shards: number, output: number): Promise<void> {
  const participant = trackOf(idOf(name), 50);
  const [registration] = await store.register("other", [{ participant, shards: Array.from({ length: shards }, (_, i) => i), of: shards }]);
  await store.report("other", [{ participant, generation: registration?.generation ?? 0, number: 1, output, status: "live", last: output }]);
}

async function damage(name: string, change: (image: ShardImage) => void): Promise<void> {
  const stopped = await StoppedPipeline.take(store, graph, systemClock, systemRandom);
  const shard = shardRef(idOf(name), 0);
  const [found] = await store.summarize([shard]);
  const image = decodeImage(found?.image as Uint8Array);
  change(image);
  await stopped.commit([{ shard, image: encodeImage(image) }]);
  await stopped.release();
}

test("what a pipeline with percentile watermarks leaves behind is sound", async () => {
  expect(await violated()).toEqual({});
});

test("a track that has passed the tracks that feed it is named", async () => {
  await publish("counter", SHARDS, 5_000);
  expect(await violated()).toEqual({ "watermark-upstream": "counter (50%): its output watermark is 5000; those that feed it have come to 120" });
});

test("an injector's track that has passed what it has committed to is named", async () => {
  await publish("feed", 1, 5_000);
  expect(await violated()).toEqual({ "watermark-pending": "feed (50%): 5000 is published; the injector has committed to 120" });
});

test.each([
  ["behind the low one", (image: ShardImage) => image.percentiles.set(50, image.input - 1), "its 50% watermark is 49: its low watermark is 50, and further"],
  ["of what is no percentile", (image: ShardImage) => image.percentiles.set(49, 100), "its 49% watermark is 100: no timer can go by such a percentile"],
  ["that is no time", (image: ShardImage) => image.percentiles.set(50, 100.5), "its 50% watermark is 100.5: that is no time"],
  ["at the end of time alone", (image: ShardImage) => image.percentiles.set(50, 2 ** 53 - 1), /^counter: its 50% watermark is \d+: it is at the end of time/],
] as const)("a shard's percentile watermark %s is named", async (_what, change, says) => {
  await damage("counter", (image) => {
    image.input = 50;
    change(image);
  });
  const { image } = await violated();
  if (typeof says === "string") expect(image).toBe(`counter: ${says}`);
  else expect(image).toMatch(says);
});

test("a track that has fallen between two moments is named", () => {
  const names = new StoredNames(graph);
  const tracks = new FollowedTracks(names);
  const image = newImage();
  image.percentiles.set(50, 100);
  tracks.learn(new AuditedShard(names, shardRef(idOf("feed"), 0)), image);
  const fresh = newAuthority(1);
  const before = { ...fresh, published: { ...fresh.published, output: 100 } };
  const findings = new Findings();
  const [track] = tracks.ids as [number];
  tracks.check(new Map([[track, before]]), new Map([[track, fresh]]), findings);
  const { examples } = findings.checks.find(({ invariant }) => invariant === "monotone") as (typeof findings.checks)[number];
  expect(examples).toEqual([{ participant: "feed (50%)", found: "its published watermark fell from 100 to -1" }]);
});
