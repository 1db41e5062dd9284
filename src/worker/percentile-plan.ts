/** Which participants follow which percentile watermarks: those whose timers go by them, and all that is upstream of these. Pure. */
import { trackOf } from "../watermark/percentile.ts";
import type { PlannedParticipant } from "./plan.ts";

/** `participants`: upstream before downstream. Where no timer has a percentile, each has the track of its low watermark alone. */
export function withTracks(participants: readonly PlannedParticipant[]): PlannedParticipant[] {
  const followed = new Map<number, Set<number>>(participants.map(({ id }) => [id, new Set()]));
  for (const participant of [...participants].reverse()) {
    const own = followed.get(participant.id) as Set<number>;
    if (participant.kind === "computation") for (const { node } of participant.timers) if (node.percentile !== undefined) own.add(node.percentile);
    for (const upstream of participant.upstream) for (const percentile of own) followed.get(upstream)?.add(percentile);
  }
  return participants.map((participant) => {
    const percentiles = [...(followed.get(participant.id) as Set<number>)].sort((a, b) => a - b);
    const others = percentiles.map((percentile) => ({ id: trackOf(participant.id, percentile), percentile }));
    return { ...participant, tracks: [{ id: participant.id, percentile: undefined }, ...others] };
  });
}
