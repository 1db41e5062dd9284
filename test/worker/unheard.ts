/** Commits whose outcome is unknown for long: while they wait to be sent again, those of others go, and the next batch stays open. */
import { StoreUnavailableError } from "../../src/index.ts";
import type { Rig } from "./rig.ts";

/** From now on commits of the participant are applied and the worker hears nothing of it. Calling what this gives ends it. */
export function hearNothingOf(rig: Rig, participant: string): () => void {
  const shards = rig.shards(participant);
  rig.line.onCommit = async (commits, apply) => {
    const reply = await apply(commits);
    if (commits.some((commit) => shards.includes(commit.shard))) throw new StoreUnavailableError("the answer was lost");
    return reply;
  };
  return () => {
    rig.line.onCommit = (commits, apply) => apply(commits);
  };
}

/** Lets the worker take the call under way for one that is not answered. */
export async function giveUpWaiting(rig: Rig): Promise<void> {
  rig.clock.advance(20);
  await rig.turns(3);
}
