/**
 * The part of the auditor that looks at injectors: what they promise, and whether they wait for each other.
 *
 * A6  An injector that is left out of watermarks, for it is idle, injects nothing.
 * A9  An injector with `maxSkew` injects nothing while it stands further than that ahead of any value that another has
 *     ever published, except one that may have been idle or finished.
 */
import { indexOf, type ShardRef } from "../../key.ts";
import type { Commit } from "../../store/commit.ts";
import { BEGINNING, END } from "../../time.ts";
import type { ShardImage } from "../../worker/image.ts";
import type { PlannedParticipant } from "../../worker/plan.ts";
import type { SimulatedSource } from "./simulated-edges.ts";
import { name } from "./store-request.ts";
import { check } from "./violation.ts";

export interface Audited {
  readonly participant: PlannedParticipant;
  readonly shards: readonly ShardRef[];
  readonly feeds: readonly number[];
  /** It may be left out of its consumers' watermarks, where they have others. */
  readonly idles: boolean;
  readonly sources: readonly SimulatedSource[];
}

export class InjectionAudit {
  /** The largest watermark that an injector has ever published, also in what was lost: workers may go by it. */
  readonly #furthest = new Map<number, number>();

  published(participant: number, output: number): void {
    this.#furthest.set(participant, Math.max(output, this.#furthest.get(participant) ?? BEGINNING));
  }

  /** `status`: what is published of the injector; `before`: its watermark before the commit. */
  checkInjects(
    { shard, number, parcels, handed }: Commit,
    injector: PlannedParticipant,
    status: string | undefined,
    all: Iterable<Audited>,
    before: number,
  ): void {
    if (parcels.length === 0 && handed.length === 0) return;
    check(status !== "idle", "A6 injects while idle", () => `${name(shard)}#${number} has records, and its watermark is not waited for`);
    this.#checkSkew(injector, all, before);
  }

  /** `before`: its watermark before the commit, and so before the first record in it. */
  #checkSkew({ id, kind, node, name: injector }: PlannedParticipant, all: Iterable<Audited>, before: number): void {
    if (kind !== "injector" || node.maxSkew === undefined) return;
    for (const { participant: other, idles } of all) {
      if (other.kind !== "injector" || other.id === id || idles) continue;
      const limit = (this.#furthest.get(other.id) ?? BEGINNING) + node.maxSkew;
      check(before <= limit, "A9 ahead of others", () => `${injector} has injected at ${before}; ${other.name} allows ${limit}`);
    }
  }
}

export function checkPromise({ participant, sources }: Audited, commit: Commit, image: ShardImage, now: number): void {
  const { position, done } = (image.checkpoint ?? {}) as { position?: number; done?: boolean };
  const { items = [], trails } = sources[indexOf(commit.shard)] ?? {};
  if (done) check((position ?? 0) === items.length, "end of a source", () => `${participant.name} ends at ${position} of ${items.length}`);
  const promise = done ? END : trails !== undefined ? now - trails : position === undefined ? BEGINNING : (items[position - 1]?.promise ?? BEGINNING);
  check(image.input <= promise, "A3 promise", () => `${name(commit.shard)} promises ${image.input}; what it has read allows ${promise}`);
}
