/**
 * How full inboxes are, as last told by the store, and who must pause for it. Bounds are soft for commits: a sender
 * starts no new work while an inbox it feeds is above the high mark, so the overshoot is what was under way (R12).
 */
import { participantOf, type ShardRef } from "../key.ts";
import type { Plan } from "./plan.ts";

/** Records waiting in one inbox above which its senders pause, and below which they go on. */
export const INBOX_HIGH = 4_096;
const LOW = 2_048;

export class Backlog {
  readonly #queued = new Map<ShardRef, number>();
  /** Per participant: its inboxes above the high mark that have not fallen below the low one. */
  readonly #over = new Map<number, Set<ShardRef>>();
  readonly #downstream = new Map<number, readonly number[]>();

  constructor(plan: Plan) {
    for (const { id } of plan.participants) {
      this.#over.set(id, new Set());
      this.#downstream.set(
        id,
        plan.participants.filter((other) => other.upstream.includes(id)).map((other) => other.id),
      );
    }
  }

  /** Records waiting in an inbox; undefined: not told yet. */
  of(ref: ShardRef): number | undefined {
    return this.#queued.get(ref);
  }

  /** Gives the participant whose senders may go on, if this was what they waited for. */
  learn(ref: ShardRef, queued: number): number | undefined {
    this.#queued.set(ref, queued);
    const participant = participantOf(ref);
    const over = this.#over.get(participant);
    if (over === undefined) return undefined;
    if (queued > INBOX_HIGH) over.add(ref);
    else if (queued <= LOW && over.delete(ref) && over.size === 0) return participant;
    return undefined;
  }

  /** Is a shard that this participant feeds above its high mark? */
  blocks(sender: number): boolean {
    for (const id of this.#downstream.get(sender) ?? []) if ((this.#over.get(id) as Set<ShardRef>).size > 0) return true;
    return false;
  }

  feeds(sender: number, participant: number): boolean {
    return this.#downstream.get(sender)?.includes(participant) ?? false;
  }

  /** The inboxes above the high mark that this participant feeds: what it waits for while it is blocked. */
  blockers(sender: number): ShardRef[] {
    return (this.#downstream.get(sender) ?? []).flatMap((id) => [...(this.#over.get(id) as Set<ShardRef>)]);
  }

  /** All inboxes above the high mark. */
  full(): ShardRef[] {
    const full: ShardRef[] = [];
    for (const over of this.#over.values()) full.push(...over);
    return full;
  }

  get anyFull(): boolean {
    for (const over of this.#over.values()) if (over.size > 0) return true;
    return false;
  }
}
