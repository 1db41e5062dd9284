/**
 * The rules of percentile watermarks: of those in a shard's image, and of the tracks that the authority keeps of them. Pure.
 *
 * Which percentiles timers go by is code, and not stored: the images of shards name those that they follow, and a track
 * that none of them names is not looked for. A track begins when it is first registered, and a copy leaves tracks behind
 * since images have all that is needed. So one that is missing, or behind the low watermark, says nothing: its workers
 * report it anew, and who reads it takes the low watermark where that is further.
 */
import { BEGINNING, END } from "../time.ts";
import { isPercentile, trackOf } from "../watermark/percentile.ts";
import type { ShardImage } from "../worker/image.ts";
import type { Findings } from "./findings.ts";
import type { AuditedShard, StoredNames } from "./stored-names.ts";
import { type Authorities, checkAuthority, largestBound } from "./watermark-rules.ts";

/** The percentile watermarks in the images of one shard, of two moments. */
export function checkPercentiles(shard: AuditedShard, [before, after]: readonly [ShardImage, ShardImage], findings: Findings): void {
  const { input, percentiles } = after;
  for (const [percentile, value] of percentiles) {
    const expect = (holds: boolean, what: string) => findings.expect("image", holds, shard.at(), () => `its ${percentile}% watermark is ${value}: ${what}`);
    expect(isPercentile(percentile), "no timer can go by such a percentile");
    expect(Number.isInteger(value) && value >= BEGINNING && value <= END, "that is no time");
    expect(!(value < input), `its low watermark is ${input}, and further`);
    expect(value !== END || input === END, `it is at the end of time before its low watermark, ${input}`);
    const first = before.percentiles.get(percentile);
    if (first !== undefined) findings.expect("monotone", !(value < first), shard.at(), () => `its ${percentile}% watermark fell from ${first} to ${value}`);
  }
}

/** Which participants follow which percentiles, by the images of their shards; of injectors also what they have committed to. */
export class FollowedTracks {
  readonly #names: StoredNames;
  readonly #tracks = new Map<number, { readonly participant: number; readonly percentile: number }>();

  constructor(names: StoredNames) {
    this.#names = names;
  }

  learn({ participant }: AuditedShard, { percentiles }: ShardImage): void {
    for (const percentile of percentiles.keys())
      if (isPercentile(percentile)) this.#tracks.set(trackOf(participant.id, percentile), { participant: participant.id, percentile });
  }

  get ids(): readonly number[] {
    return [...this.#tracks.keys()];
  }

  /** `before` and `after`: of the tracks, two moments; `after` also of the participants. */
  check(before: Authorities, after: Authorities, findings: Findings): void {
    for (const [track, { participant: id, percentile }] of this.#tracks) {
      const participant = this.#names.participants.get(id);
      const authority = after.get(track);
      if (participant === undefined || authority === undefined) continue;
      const name = `${participant.name} (${percentile}%)`;
      const where = { participant: name };
      const { output } = authority.published;
      checkAuthority({ name, shards: participant.shards }, authority, findings);
      const first = before.get(track)?.published.output ?? BEGINNING;
      findings.expect("monotone", output >= first, where, () => `its published watermark fell from ${first} to ${output}`);
      const low = largestBound(this.#names, participant, after);
      if (low === undefined) continue;
      const bound = Math.max(low, ...participant.upstream.map((each) => after.get(trackOf(each, percentile))?.published.output ?? BEGINNING));
      findings.expect("watermark-upstream", output <= bound, where, () => `its output watermark is ${output}; those that feed it have come to ${bound}`);
    }
  }

  /** An injector's shard was read after `published` was. */
  checkPromised({ participant, index }: AuditedShard, { input, percentiles }: ShardImage, published: Authorities, findings: Findings): void {
    for (const [percentile, value] of percentiles) {
      const output = published.get(trackOf(participant.id, percentile))?.published.output ?? BEGINNING;
      const promised = Math.max(value, input);
      findings.expect(
        "watermark-pending",
        output <= promised,
        { participant: `${participant.name} (${percentile}%)`, shard: index },
        () => `${output} is published; the injector has committed to ${promised}`,
      );
    }
  }
}
