/** The rules of what a shard has one of: its owner, its last commit, its positions, its image, its counts. Pure. */
import { monotonicOf, PARCEL_IDENTITY_BYTES } from "../store/commit.ts";
import type { EntryCount, ShardHead } from "../store/reader.ts";
import { BEGINNING, END } from "../time.ts";
import { decodeImage, newImage, type ShardImage } from "../worker/image.ts";
import type { EntryRules } from "./entry-rules.ts";
import type { Findings } from "./findings.ts";
import type { AuditedShard } from "./stored-names.ts";
import type { WorkRules } from "./work-rules.ts";

export function checkHead(shard: AuditedShard, head: ShardHead, findings: Findings): void {
  checkOwner(shard, head, findings);
  const where = shard.at();
  const { number, id, image, position, offset, tail, queued, parcels, consumed } = head;
  const whole = { number, position, offset, tail, queued };
  for (const [name, value] of Object.entries(whole)) {
    findings.expect(name === "number" ? "commit" : "inbox-position", isCount(value), where, () => `its ${name} is ${value}`);
  }
  findings.expect("commit", number === 0 || image !== undefined, where, () => `commit ${number} has no image`);
  findings.expect("commit", number === 0 || id !== "", where, () => `commit ${number} has no id`);
  findings.expect("commit", number !== 0 || (image === undefined && id === ""), where, () => "it has never committed, and has an image or the id of a commit");
  findings.expect(
    "inbox-position",
    parcels === tail - position,
    where,
    () => `${parcels} parcels are there, from ${position} to ${tail} there should be ${tail - position}`,
  );
  const identity = position > 0 ? PARCEL_IDENTITY_BYTES : 0;
  findings.expect(
    "inbox-position",
    consumed.length === identity,
    where,
    () => `it is consumed to ${position}, and knows the last parcel by ${consumed.length} bytes, not ${identity}`,
  );
}

function checkOwner(shard: AuditedShard, { sequencer, monotonic, owner, leaseUntil }: ShardHead, findings: Findings): void {
  const where = shard.at();
  findings.expect("owner", isCount(monotonic) && isCount(leaseUntil), where, () => `its monotonic part is ${monotonic}, its lease ends at ${leaseUntil}`);
  findings.expect("owner", (sequencer === undefined) === (owner === undefined), where, () =>
    sequencer === undefined ? `${owner} owns it without a sequencer` : "it has a sequencer and no owner",
  );
  if (sequencer === undefined) {
    findings.expect("owner", leaseUntil === 0, where, () => `it is owned by no one until ${leaseUntil}`);
    return;
  }
  findings.expect(
    "owner",
    /^\d+\../.test(sequencer) && monotonicOf(sequencer) === monotonic,
    where,
    () => `its sequencer is ${sequencer}, the monotonic part ${monotonic}`,
  );
}

/** What the engine keeps of the shard; undefined if it cannot be read. */
export function imageOf(shard: AuditedShard, { image }: ShardHead, findings: Findings): ShardImage | undefined {
  if (image === undefined) return newImage();
  findings.checked("image");
  try {
    return decodeImage(image);
  } catch (error) {
    findings.violated("image", shard.at(), `it cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** `image` is of a later moment than the pages that the rules have seen. */
export function checkImage(shard: AuditedShard, image: ShardImage, dead: number, entries: EntryRules, work: WorkRules, findings: Findings): void {
  const where = shard.at();
  const { input, wallTime, last, nextHeld, nextDead, counters } = image;
  const expect = (holds: boolean, found: () => string) => findings.expect("image", holds, where, found);
  for (const [name, time] of Object.entries({ "input watermark": input, "largest event time": last }))
    expect(Number.isInteger(time) && time >= BEGINNING && time <= END, () => `its ${name} is ${time}`);
  for (const [name, count] of Object.entries({ "processing time": wallTime, ...counters })) expect(isCount(count), () => `its ${name} is ${count}`);
  expect(nextHeld > work.largestHeld, () => `its next held record will have the id ${nextHeld}; ${work.largestHeld} is in use`);
  expect(nextDead > work.largestDead, () => `its next dead letter will have the id ${nextDead}; ${work.largestDead} is in use`);
  expect(dead <= counters.deadLetters, () => `it has counted ${counters.deadLetters} dead letters and has ${dead}`);
  findings.expect("client-ids", entries.latestId <= last, where, () => `an id is of ${entries.latestId}; no record was later than ${last}`);
}

export function checkCounts(shard: AuditedShard, counted: EntryCount, there: EntryCount, findings: Findings): void {
  for (const kind of Object.keys(counted) as (keyof EntryCount)[]) {
    findings.expect("counts", counted[kind] === there[kind], shard.at(), () => `${counted[kind]} ${NAMES[kind]} are counted, ${there[kind]} are there`);
  }
}

const NAMES: Readonly<Record<keyof EntryCount, string>> = {
  state: "state fields",
  held: "held entries",
  dead: "dead letters",
  outbox: "outbox entries",
  watermark: "watermark timers",
  wall: "wall timers",
  holds: "holds",
  ids: "client ids",
};

const NEVER: Readonly<Record<string, readonly (keyof EntryCount)[]>> = {
  injector: ["state", "watermark", "wall", "holds", "held"],
  computation: ["ids"],
  sink: ["state", "watermark", "wall", "holds", "held", "ids"],
};

/** Has it only what its kind can have? */
export function checkKind(shard: AuditedShard, there: EntryCount, head: ShardHead, findings: Findings): void {
  const { kind } = shard.participant;
  for (const name of NEVER[kind] ?? [])
    findings.expect("kinds", there[name] === 0, shard.at(), () => `${there[name]} ${NAMES[name]} in ${kind === "injector" ? "an injector" : `a ${kind}`}`);
  if (kind === "injector") findings.expect("kinds", head.tail === 0, shard.at(), () => `${head.tail} parcels were sent to an injector`);
}

/** Has nothing run back between two moments? */
export function checkMonotone(
  shard: AuditedShard,
  before: ShardHead,
  after: ShardHead,
  images: readonly [ShardImage, ShardImage] | undefined,
  findings: Findings,
): void {
  const pairs: [string, number, number][] = [
    ["commit number", before.number, after.number],
    ["inbox position", before.position, after.position],
    ["inbox end", before.tail, after.tail],
    ["sequencer", before.monotonic, after.monotonic],
  ];
  if (images !== undefined) pairs.push(["input watermark", images[0].input, images[1].input], ["processing time", images[0].wallTime, images[1].wallTime]);
  for (const [name, first, second] of pairs) findings.expect("monotone", !(second < first), shard.at(), () => `its ${name} fell from ${first} to ${second}`);
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
