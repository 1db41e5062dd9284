/**
 * What an operator may do with dead letters: have them tried again, or discard them. Done by the worker that owns the
 * shard, in a commit of its own, so that a letter is tried again once however often it is asked for.
 */
import type { Clock } from "../clock.ts";
import { indexOf, participantOf, type ShardRef, shardRef } from "../key.ts";
import type { Numbered } from "../store/index.ts";
import type { PipelineStore } from "../store/store.ts";
import type { ComputationShard } from "./computation-shard.ts";
import { parseDeadLetter } from "./held.ts";
import type { PlannedParticipant } from "./plan.ts";
import type { Worker } from "./worker.ts";

export type LetterAction = "retry" | "discard";

/** `done`: it is a dead letter no more, and that is committed. */
export type LetterOutcome =
  | { readonly kind: "done" }
  /** There is none of this name, or no longer. */
  | { readonly kind: "absent" }
  /** Another worker has its shard, or none has. */
  | { readonly kind: "elsewhere" }
  | { readonly kind: "refused"; readonly reason: string }
  /** The commit has taken too long to wait for; it may still come. */
  | { readonly kind: "unknown" };

/** ms to wait for the commit, and between looks. */
const PATIENCE = 5_000;
const LOOK = 5;

/** How a dead letter is named among those of its participant: "12.3", the shard and its number there. */
export function letterName(shard: ShardRef, { id }: Numbered): string {
  return `${indexOf(shard)}.${id}`;
}

/** undefined: no letter of this participant can have that name. */
export function parseLetterName(participant: PlannedParticipant, name: string): { readonly shard: ShardRef; readonly id: number } | undefined {
  const parts = /^(\d{1,5})\.(\d{1,15})$/.exec(name);
  if (parts === null || Number(parts[1]) >= participant.shards) return undefined;
  return { shard: shardRef(participant.id, Number(parts[1])), id: Number(parts[2]) };
}

export class DeadLetters {
  readonly #worker: Worker;
  readonly #store: PipelineStore;
  readonly #clock: Clock;

  constructor(worker: Worker, store: PipelineStore, clock: Clock) {
    this.#worker = worker;
    this.#store = store;
    this.#clock = clock;
  }

  async act(action: LetterAction, { shard, id }: { readonly shard: ShardRef; readonly id: number }): Promise<LetterOutcome> {
    const { engine, driver } = this.#worker;
    const owned = engine.computation(shard);
    const letter = await this.#read(shard, id);
    if (letter === undefined) return { kind: "absent" };
    if (owned === undefined) return { kind: "elsewhere" };
    if (action === "retry") await this.#retryOutside(shard, letter);
    // Whoever has owned it since the letter was read may have had it tried again already.
    if (engine.computation(shard) !== owned) return { kind: "elsewhere" };
    const refused = apply(action, owned, letter);
    if (refused !== undefined) return { kind: "refused", reason: refused };
    driver.kick();
    // Nothing open: it was asked for before, and its commit is under way at most.
    const number = owned.number + (owned.open.empty ? 0 : 1);
    for (const until = this.#clock.now() + PATIENCE; this.#clock.now() < until && engine.computation(shard) === owned; ) {
      if (owned.acknowledged >= number) return { kind: "done" };
      await new Promise<void>((resolve) => void this.#clock.after(LOOK, resolve));
    }
    return { kind: "unknown" };
  }

  /** What failed elsewhere is to be performed again there: the effect that is tried again asks for its outcome. */
  async #retryOutside(shard: ShardRef, letter: Numbered): Promise<void> {
    const participant = this.#worker.engine.participant(participantOf(shard));
    const { id } = parseDeadLetter(letter.bytes);
    if (participant?.kind === "computation" && participant.node.effect !== undefined && id !== undefined)
      await this.#worker.runner?.retry?.(participant.name, id);
  }

  async #read(shard: ShardRef, id: number): Promise<Numbered | undefined> {
    const [summary] = await this.#store.summarize([shard]);
    if (summary === undefined || summary.dead === 0) return undefined;
    return (await this.#store.readDeadLetters(shard, summary.dead)).find((letter) => letter.id === id);
  }
}

/** Why not; undefined: with the shard's next commit. */
export function apply(action: LetterAction, shard: ComputationShard, letter: Numbered): string | undefined {
  if (action === "retry") return shard.revive(letter.id, parseDeadLetter(letter.bytes));
  shard.discard(letter.id);
  return undefined;
}
