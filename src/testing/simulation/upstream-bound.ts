/** How far what is published of those upstream lets an input watermark come; by brute force, for the auditors. */
import type { ParticipantWatermark } from "../../store/store.ts";
import { BEGINNING, END } from "../../time.ts";

type Known = Pick<ParticipantWatermark, "output" | "status">;

/** Of a participant of which nothing is published. */
const UNKNOWN: Known = { output: BEGINNING, status: "live" };

/** The least of those that are neither finished nor idle; where none is live, what the idle ones promised before. */
export function upstreamBound(upstream: readonly number[], published: (participant: number) => Known | undefined): number {
  let live = END;
  let idle = END;
  let isAnyLive = false;
  for (const each of upstream) {
    const { output, status } = published(each) ?? UNKNOWN;
    if (status === "idle") idle = Math.min(idle, output);
    else if (status !== "finished") {
      live = Math.min(live, output);
      isAnyLive = true;
    }
  }
  return isAnyLive ? live : idle;
}
