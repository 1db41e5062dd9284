/** What the stores and the engine have written and read again: parcels, images, work that stands aside, records of stores. */
import { cbor, decodeStored, encodePlain } from "../../src/computation/cbor-codec.ts";
import type { Codec } from "../../src/computation/codec.ts";
import { openValue, sealValue } from "../../src/computation/envelope.ts";
import { json } from "../../src/computation/json-codec.ts";
import { shardRef } from "../../src/key.ts";
import { timerMember } from "../../src/store/address.ts";
import { authorityOf } from "../../src/store/lmdb-data.ts";
import { decodeRecord, encodeRecord } from "../../src/store/lmdb-record.ts";
import { MemoryShard } from "../../src/store/memory-shard.ts";
import { parseAuthority, parsePublished, storedAuthority } from "../../src/store/redis/authority-bytes.ts";
import { parseOutboxEntry } from "../../src/store/redis/outbox-text.ts";
import { readServerFacts } from "../../src/store/redis/server-check.ts";
import { parseStoredGraph } from "../../src/store/stored-graph.ts";
import { newAuthority, register, report } from "../../src/watermark/authority.ts";
import { learnedDisorder } from "../../src/watermark/learned-disorder.ts";
import { deadLetter, heldBytes, parseDeadLetter, parseHeld, refusedAtTheDoor } from "../../src/worker/held.ts";
import { decodeImage, encodeImage, newImage } from "../../src/worker/image.ts";
import { packParcel, type ParcelRecord, Production, unpackParcel, valueOf, whole } from "../../src/worker/parcel.ts";
import type { Work } from "../../src/worker/work.ts";
import { BEGINNING, graphOf } from "../differential/graphs.ts";
import type { Target } from "../target.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (input: Uint8Array): string => Buffer.from(input.buffer, input.byteOffset, input.length).toString("utf8");

/** What a target throws where it was given something that is not what the type says. */
function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(`gave ${what}`);
}

// ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const VALUES: readonly unknown[] = [
  undefined,
  0,
  -1,
  2 ** 40,
  1.5,
  "text",
  "zażółć 🚀 ".repeat(20),
  [1, [2, [3, [4]]]],
  { a: 1, b: { c: [true, null] }, ["constructor"]: 1 },
  new Map<unknown, unknown>([
    [1, new Set(["x"])],
    ["k", new Map()],
  ]),
  new Date(1_234_567_890_123),
  new Uint8Array([1, 2, 3]),
  new Float64Array([1, 2]),
  2n ** 70n,
];
/** Heads of CBOR that mean much: long lists, tags with a meaning, lengths without an end. */
const CBOR_WORDS = [
  [0x9a, 0x7f, 0xff, 0xff, 0xff],
  [0x99, 0xff, 0xff],
  [0xba, 0x00, 0xff, 0xff, 0xff],
  [0x5a, 0x7f, 0xff, 0xff, 0xff],
  [0x7a, 0xff, 0xff, 0xff, 0xff],
  [0x9b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
  [0x9f],
  [0xbf],
  [0x81],
  [0xa1, 0x69, ...utf8("__proto__"), 0xa1, 0x61, 0x78, 0x01],
  [0xc2, 0x58, 0xff],
  [0xc3, 0x41, 0x01],
  // Beyond 64 bits. Longer ones would show that JavaScript makes text of them in more than linear time (docs/fuzzing.md).
  [0xc2, 0x59, 0x04, 0x00, ...new Uint8Array(0x400).fill(0x5a)],
  [0xd8, 0x1b, 0x82, 0x66, ...utf8("RegExp"), 0x64, ...utf8("(a+)")],
  [0xd8, 0x1c],
  [0xd8, 0x1d, 0x00],
  [0xd8, 0x33, 0x84],
  [0xd8, 0x69, 0x83],
  [0xd9, 0xdf, 0xfe, 0x83],
  [0xd9, 0xdf, 0xff, 0x83],
  [0xd9, 0xdf, 0xf9],
  [0xd9, 0xe0, 0x00],
  [0xd9, 0x01, 0x02, 0x81],
  [0xd9, 0x01, 0x03, 0xa1],
  [0xc4, 0x82, 0x1a, 0xff, 0xff, 0xff, 0xff, 0x01],
].map((bytes) => Uint8Array.from(bytes));

const JSON_WORDS = [
  '"',
  "\\",
  "\\ud800",
  "{",
  "}",
  "[",
  "]",
  ":",
  ",",
  '{"__proto__":{"polluted":1}}',
  "1e999",
  "-",
  "[[[[[[[[",
  "null",
  "\u0000",
  "99999999999999999999",
];

const named: Codec<unknown> = { id: "named.codec", version: 3, encode: (value) => encodePlain(value), decode: (bytes) => cbor<unknown>().decode(bytes, 0) };

function envelope(name: string, codec: Codec<unknown>, values: readonly unknown[], words: Target["words"]): Target {
  return {
    name: `envelope-${name}`,
    corpus: values.flatMap((value) => [sealValue(codec, value), sealValue(codec, value, 1_800_000_000_000)]),
    words,
    read: (input) => openValue(codec, input),
  };
}

// ── work ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function production(n: number): Production {
  const place = { place: 7 + n, timestamp: 1_700_000_000_000 + n, id: n % 3 === 0 ? `client ${n}` : undefined };
  const key = n % 2 === 0 ? `key ${n}` : "🔑";
  return new Production(shardRef(2, n % 4), n % 3, place, key, n % 2 === 0 ? cbor() : undefined, whole(encodePlain({ n })), n === 5);
}
const parcelOf = (count: number): Uint8Array =>
  packParcel(
    shardRef(1, 0),
    1_700_000_000_000,
    Array.from({ length: count }, (_, n) => production(n)),
  );

function recordsOf(parcel: Uint8Array): ParcelRecord[] {
  const records: ParcelRecord[] = [];
  unpackParcel(parcel, (record) => records.push(record));
  return records;
}

const base = { key: undefined, hold: 5, attempts: 2, begun: 0, held: undefined, batch: undefined };
const recordWork: Work = { ...base, kind: "record", record: recordsOf(parcelOf(3))[1]!, late: false };
const member = timerMember(4, "tag", "key");
const address = { timer: 4, tag: "tag", key: "key" };
const timerWork: Work = { ...base, kind: "timer", clock: "watermark", member, address, time: 9, output: undefined, fired: undefined };

function readParcel(input: Uint8Array): void {
  for (const record of recordsOf(input)) {
    expectThat(valueOf(record).length === record.to - record.from, "a record that reaches beyond its parcel");
    expectThat(Number.isFinite(record.timestamp), `a record of the time ${record.timestamp}`);
  }
}

function readDeadLetter(input: Uint8Array): void {
  const { key, reason, timestamp, at } = parseDeadLetter(input);
  expectThat(typeof key === "string" && typeof reason === "string", "a dead letter without words");
  expectThat(typeof timestamp === "number" && Number.isFinite(at), "a dead letter without times");
}

function readHeld(input: Uint8Array): void {
  const { work } = parseHeld({ id: 1, bytes: input });
  if (work.kind === "record") expectThat(Number.isFinite(work.record.timestamp) && valueOf(work.record).length >= 0, "a held record that is none");
  else expectThat(Number.isFinite(work.time) && typeof work.address.key === "string", "a held timer that is none");
}

// ── watermarks and graphs ───────────────────────────────────────────────────────────────────────────────────────────

const authority = (() => {
  const { authority: registered, granted } = register(newAuthority(4), "w 1", [0, 2]);
  return report(registered, "w 1", { generation: granted, number: 1, output: 50, status: "idle", last: 60 })!;
})();
const stored = storedAuthority(7, authority);
/** Owners and cells in one input: a line, then bytes. */
const LINE = 0x0a;

function readAuthority(input: Uint8Array): void {
  const at = input.indexOf(LINE);
  parseAuthority(textOf(input.subarray(0, Math.max(at, 0))), input.subarray(at + 1), { output: 0, status: "live", last: 0 });
}

function readEstimate(input: Uint8Array): void {
  const estimator = learnedDisorder().start(decodeStored(input, "an estimate"));
  for (const timestamp of [5, 3, 1_000, 7]) estimator.observe(timestamp);
  const watermark = estimator.current();
  expectThat(Number.isSafeInteger(watermark) && watermark >= -1, `the watermark ${watermark}`);
  estimator.save();
}

function savedEstimate(): unknown {
  const estimator = learnedDisorder().start(undefined);
  for (let i = 0; i < 5_000; i++) estimator.observe(i * 10 - (i % 7) * 25 + 200);
  return estimator.save();
}

const shard = new MemoryShard(shardRef(2, 1));
Object.assign(shard, {
  sequencer: "1700000000000.abc",
  owner: "worker 1",
  id: "c1",
  number: 5,
  position: 3,
  tail: 9,
  queued: 6,
  consumedIdentity: new Uint8Array(24),
});

function readOutbox(input: Uint8Array): void {
  const at = input.indexOf(LINE);
  parseOutboxEntry(textOf(input.subarray(0, Math.max(at, 0))), input.subarray(at + 1));
}

const image = {
  ...newImage(),
  input: 1_700_000_000_000,
  checkpoint: { position: { offset: 5, head: "1024:0123456789abcdef" }, estimate: savedEstimate(), done: false },
};

export const storedTargets: readonly Target[] = [
  envelope("cbor", cbor(), VALUES, CBOR_WORDS),
  { name: "cbor", corpus: VALUES.map((value) => encodePlain(value)), words: CBOR_WORDS, read: (input) => decodeStored(input, "a value") },
  envelope("json", json(), [null, 1, "text", [1, [2, "\u2028"]], { a: { b: [true, -1.5e10] } }], JSON_WORDS),
  envelope("named", named, VALUES.slice(0, 5), []),
  { name: "parcel", corpus: [parcelOf(1), parcelOf(3), parcelOf(12)], read: readParcel },
  {
    name: "image",
    corpus: [encodeImage(newImage()), encodeImage(image), encodeImage({ ...image, swept: 7 })],
    words: CBOR_WORDS,
    read: (input) => decodeImage(input),
  },
  { name: "held", corpus: [heldBytes(recordWork, true, new Error("no")), heldBytes(timerWork, false)], words: CBOR_WORDS, read: readHeld },
  {
    name: "dead-letter",
    corpus: [
      deadLetter(recordWork, new Error("no"), 1_700_000_000_000),
      deadLetter(timerWork, new Error("no"), 1_700_000_000_000),
      refusedAtTheDoor({ value: undefined, id: "x", timestamp: Number.NaN, reason: "no", at: 5 }),
    ],
    words: CBOR_WORDS,
    read: readDeadLetter,
  },
  { name: "redis-authority", corpus: [Buffer.concat([utf8(`${stored.owners}\n`), stored.cells])], words: ["%", "/", " "], read: readAuthority },
  { name: "redis-published", corpus: [stored.published, Buffer.concat([stored.published, stored.published])], read: (input) => parsePublished(input) },
  { name: "redis-outbox", corpus: [utf8("131072:17.3\n2 17.1 bytes"), utf8("131072:17.3\n2 - bytes")], words: [":", ".", " ", "-", "1e9"], read: readOutbox },
  {
    name: "redis-info",
    corpus: [
      utf8("# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nredis_mode:standalone\r\nrole:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n"),
    ],
    words: ["valkey_version:", "redis_version:99999999999999999999.", ":", "\r\n", "#"],
    read: (input) => readServerFacts(textOf(input)),
  },
  { name: "lmdb-record", corpus: [encodeRecord(shard)], read: (input) => decodeRecord(Buffer.from(input), new MemoryShard(shardRef(2, 1))) },
  { name: "lmdb-authority", corpus: [utf8(JSON.stringify(authority))], words: JSON_WORDS, read: (input) => authorityOf(input) },
  { name: "stored-graph", corpus: [utf8(JSON.stringify(graphOf(3, BEGINNING)))], words: JSON_WORDS, read: (input) => parseStoredGraph(textOf(input)) },
  { name: "estimate", corpus: [encodePlain(savedEstimate())], words: CBOR_WORDS, read: readEstimate },
];
