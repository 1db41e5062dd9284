/** How far a worker is with a shard that it wants or has (`ownership.ts`). */
import type { RecoveredShard, Sequencer } from "../store/index.ts";
import { BEGINNING } from "../time.ts";

export type Stage = "wanted" | "acquiring" | "recovering" | "registering" | "confirming" | "confirmed" | "ready";

/** Stages of what is listed when its participant is registered. */
export const LISTED: ReadonlySet<Stage> = new Set<Stage>(["registering", "confirming", "confirmed", "ready"]);

export interface Claim {
  stage: Stage;
  /** The request under way whose answer takes it to the next stage. An answer to another is about an ownership that was lost meanwhile. */
  asked: readonly unknown[] | undefined;
  /** When it was last asked for, by the worker's clock. */
  askedAt: number;
  sequencer: Sequencer | undefined;
  /** Its last owner died. */
  abandoned: boolean;
  recovered: RecoveredShard | undefined;
  /** What was reported of it before it was registered for us, at least. */
  reported: number;
  retryAt: number;
}

export function newClaim(retryAt: number): Claim {
  return { stage: "wanted", asked: undefined, askedAt: retryAt, sequencer: undefined, abandoned: false, recovered: undefined, reported: BEGINNING, retryAt };
}
