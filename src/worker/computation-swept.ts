/**
 * What a computation's shard still has of cells and timers that its code has lost: the owner deletes it, bit by bit, when
 * it has nothing else to do, and now and then when it has. State of a cell goes with the timers of its expiry, a timer with what it holds.
 *
 *     read a page of names -> commit that they are deleted -> ... -> commit that nothing is left
 *
 * Z1  Only what is under retired ids is deleted. An id is never given twice, and no commit of the graph that retired it
 *     writes under it, so nothing comes in behind a page.
 * Z2  A page is read when nothing of the shard is uncommitted, and the next when the deletes of the one before are stored. Of
 *     a worker's shards that never come to that, one a second reads one anyhow: what is on it and deleted meanwhile, as a
 *     timer that was due, is deleted once more, which changes nothing.
 * Z3  The image says that a round is swept from the commit on that leaves nothing of it; an owner that finds it unsaid
 *     begins from the start.
 * Z4  Until then the shard is not quiet, so a pipeline that comes to its end has swept.
 * Z5  One shard of a worker at a time reads a page and seals what deletes it: a call of the store has one such commit.
 */
import { expiryPrefix, parseTimerMember, statePrefixes, timerPrefix } from "../store/address.ts";
import type { Commit, NamedKind, RecoveredShard, Sequencer } from "../store/index.ts";
import type { Page } from "../store/reader.ts";
import type { StoredRetired } from "../store/stored-graph.ts";
import { ComputationMemory } from "./computation-memory.ts";
import { KeyState } from "./key-state.ts";
import type { Keyed } from "./keyed.ts";
import type { ShardHost } from "./owned-shard.ts";
import type { PlannedComputation } from "./plan.ts";

/** Names that one commit deletes at most, and entries that a page looks at, about: some 2 ms of Redis, in which it does nothing else. */
const PAGE = 250;
/** ms between two pages of a worker's shards that have other work. */
const BESIDES = 1_000;

interface Step {
  readonly of: NamedKind;
  readonly prefixes: readonly string[];
}

export abstract class ComputationSwept extends ComputationMemory {
  /** What is to be looked through, the first of it from `#cursor` on. */
  readonly #steps: Step[];
  #cursor: string | undefined = undefined;
  #asked = false;
  /** Read, and not deleted yet. */
  #found: { readonly of: NamedKind; readonly name: string }[] = [];
  #isSwept: boolean;

  constructor(host: ShardHost, planned: PlannedComputation, keyed: Keyed, sequencer: Sequencer, recovered: RecoveredShard, floor: number) {
    super(host, planned, keyed, sequencer, recovered, floor);
    const { retired } = planned;
    const { stateCount, watermarkTimerCount, wallTimerCount } = recovered;
    this.#isSwept = retired === undefined || retired.round <= this.image.swept || stateCount + watermarkTimerCount + wallTimerCount === 0;
    this.#steps = retired === undefined || this.#isSwept ? [] : stepsOf(retired);
  }

  override get quiet(): boolean {
    return this.#isSwept && super.quiet;
  }

  protected override prefetch(): void {
    super.prefetch();
    if (this.#isSwept || this.#asked) return;
    const isIdle = this.inFlight === undefined && this.open.empty && this.inbox.size === 0 && this.paging.size === 0;
    if (isIdle || this.#mayBesides) {
      if (this.host.shards.sweeping.free(this)) this.#sweep();
    } else this.leaveSweep();
  }

  /** May it go on beside its other work? What is found goes with the next commit. */
  get #mayBesides(): boolean {
    const { shards, now } = this.host;
    if (this.#found.length > 0) return true;
    if (now < shards.sweepsBesidesAt) return false;
    shards.sweepsBesidesAt = now + BESIDES;
    return true;
  }

  /** Others may sweep. */
  protected leaveSweep(): void {
    for (const shard of this.host.shards.sweeping.leave(this)) this.host.wake(shard);
  }

  #sweep(): void {
    this.host.shards.sweeping.claim(this);
    const [step] = this.#steps;
    if (this.#found.length === 0 && step !== undefined) {
      this.#asked = true;
      this.host.effect({ kind: "read-names", shard: this.ref, sequencer: this.sequencer, ...step, cursor: this.#cursor, limit: PAGE });
      return;
    }
    for (const { of, name } of this.#found.splice(0, PAGE)) {
      if (of === "state") {
        this.open.stateFields.push(name);
        this.open.stateValues.push(undefined);
      } else this.open.changeTimer({ clock: of, member: name, time: undefined, output: undefined }, new KeyState(parseTimerMember(name).key, [], undefined));
    }
    this.open.swept = true;
    this.open.since ??= this.host.now;
    this.#isSwept = this.#found.length === 0 && this.#steps.length === 0;
  }

  /** The answer to `read-names`; undefined: it failed, and is asked again. */
  onNames(page: Page<string> | undefined): void {
    const [step] = this.#steps;
    this.#asked = false;
    if (page !== undefined && step !== undefined) {
      // A page may name an entry twice, a commit may not.
      this.#found = [...new Set(page.entries)].map((name) => ({ of: step.of, name }));
      this.#cursor = page.next;
      if (page.next === undefined) this.#steps.shift();
      if (this.#found.length === 0) this.leaveSweep();
    }
    this.host.wake(this);
  }

  override seal(): Commit {
    if (this.open.swept) this.leaveSweep();
    if (this.#isSwept) this.image.swept = this.planned.retired?.round ?? 0;
    return super.seal();
  }
}

function stepsOf({ cells, timers }: StoredRetired): Step[] {
  const set = timers.map(timerPrefix);
  const steps: Step[] = [
    { of: "state", prefixes: cells.flatMap(statePrefixes) },
    { of: "watermark", prefixes: set },
    { of: "wall", prefixes: [...set, ...cells.map(expiryPrefix)] },
  ];
  return steps.filter(({ prefixes }) => prefixes.length > 0);
}
