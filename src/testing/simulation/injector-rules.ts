/** What a commit of an injector must keep to (A3, A9): it promises no more than it has read, and waits for those that are behind. */
import { indexOf } from "../../key.ts";
import type { Commit } from "../../store/commit.ts";
import { BEGINNING, END } from "../../time.ts";
import type { ShardImage } from "../../worker/image.ts";
import type { PlannedParticipant } from "../../worker/plan.ts";
import type { SimulatedSource } from "./simulated-edges.ts";
import { check } from "./violation.ts";

interface AuditedInjector {
  readonly participant: PlannedParticipant;
  /** It may be left out of its consumers' watermarks, where they have others. */
  readonly idles: boolean;
  readonly sources: readonly SimulatedSource[];
}

export function checkPromise({ participant, sources }: AuditedInjector, commit: Commit, image: ShardImage, now: number): void {
  const { position, done } = (image.checkpoint ?? {}) as { position?: number; done?: boolean };
  const { items = [], trails } = sources[indexOf(commit.shard)] ?? {};
  if (done) check((position ?? 0) === items.length, "end of a source", () => `${participant.name} ends at ${position} of ${items.length}`);
  const promise = done ? END : trails !== undefined ? now - trails : position === undefined ? BEGINNING : (items[position - 1]?.promise ?? BEGINNING);
  check(image.input <= promise, "A3 promise", () => `${participant.name} promises ${image.input}; what it has read allows ${promise}`);
}

/** `before`: its watermark before the commit, and so before the first record in it. `furthest`: the largest watermark that each has ever published. */
export function checkSkew(
  { id, kind, node, name: injector }: PlannedParticipant,
  before: number,
  audited: Iterable<AuditedInjector>,
  furthest: ReadonlyMap<number, number>,
): void {
  if (kind !== "injector" || node.maxSkew === undefined) return;
  for (const { participant: other, idles } of audited) {
    if (other.kind !== "injector" || other.id === id || idles) continue;
    const limit = (furthest.get(other.id) ?? BEGINNING) + node.maxSkew;
    check(before <= limit, "A9 ahead of others", () => `${injector} has injected at ${before}; ${other.name} allows ${limit}`);
  }
}
