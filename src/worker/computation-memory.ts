/**
 * What the owner of a computation's shard remembers between calls: the keys' states, the pending timers, the holds,
 * and the open batch with the one in flight. It loads and seals; what runs when is `computation-shard.ts`.
 *
 * M1  A key in memory is as its last uncommitted batch left it; a key that is not is as the store has it.
 * M2  The output watermark counts all that is uncommitted as undone.
 */
import type { Log } from "../computation/context.ts";
import { invariant } from "../errors.ts";
import { COMMIT_BYTES } from "../limits.ts";
import { keyHold, parseTimerMember, stateField, timerHold, timerMember } from "../store/address.ts";
import type { Commit, HoldSet, RecoveredShard, Sequencer, TimerClock } from "../store/index.ts";
import { END } from "../time.ts";
import { TimeIndex } from "../time-index.ts";
import { TimerQueue } from "../timers/timer-queue.ts";
import type { Standing } from "../watermark/upstream.ts";
import { Batch } from "./batch.ts";
import type { CallShard } from "./call.ts";
import { keyOf } from "./held.ts";
import { KeyCache } from "./key-cache.ts";
import { Cell, holdBytes, KeyState } from "./key-state.ts";
import type { Keyed } from "./keyed.ts";
import { computationHolder, type Holder, type HoldingShard } from "./holder.ts";
import { eventTimersOf } from "./event-timers.ts";
import { InboxShard, type ShardHost } from "./owned-shard.ts";
import { openRecord } from "./parcel.ts";
import type { PlannedComputation, PlannedStream } from "./plan.ts";
import type { RecordWork, Work } from "./work.ts";

/** Keys looked up in the store at once. */
const PREFETCH = 512;
/** Timers and holds read from the store at once; doubled where more than that share one ms. */
const PAGE = 10_000;
/** The reserved cell and timer: a key's hold, and the expiry of cells. */
const HOLD_CELL = 0;
const COUNTED = ["processed", "late", "timersFired", "failures", "deadLetters", "droppedTimers", "duplicates"] as const;

export abstract class ComputationMemory extends InboxShard implements CallShard, HoldingShard {
  readonly planned: PlannedComputation;
  readonly keyed: Keyed;
  readonly watermark: TimerQueue;
  readonly wall: TimerQueue;
  readonly holds = new TimeIndex();
  readonly heldHolds = new TimeIndex();
  readonly frozen: boolean;
  readonly commitBytes = COMMIT_BYTES;
  open: Batch;
  protected closed = false;
  protected deadCount: number;
  abstract readonly deadLettersFull: boolean;
  readonly unfinished = new Set<Work>();
  /** Held work of keys that are not in memory yet. */
  protected orphans: { readonly work: Work; readonly halted: boolean }[] = [];
  #sealed: Batch | undefined = undefined;
  readonly #keys: KeyCache;
  #wholeTimers = false;
  /** Being read, up to so many. */
  protected readonly paging = new Map<TimerClock | "holds", number>();
  readonly #inputs: ReadonlyMap<number, PlannedComputation["inputs"][number]>;
  #last: number;

  constructor(host: ShardHost, planned: PlannedComputation, keyed: Keyed, sequencer: Sequencer, recovered: RecoveredShard, floor: number) {
    super(host, planned, sequencer, recovered, floor);
    this.planned = planned;
    this.keyed = keyed;
    this.frozen = host.options.frozen;
    this.deadCount = recovered.deadCount;
    this.#keys = new KeyCache(host.options.cacheBytes, recovered.stateCount === 0);
    this.#inputs = new Map(planned.inputs.map((input) => [input.id, input]));
    const keyOfMember = (member: string) => parseTimerMember(member).key;
    this.watermark = eventTimersOf(planned, keyOfMember, this.image.percentiles);
    this.wall = new TimerQueue("wall", keyOfMember);
    this.watermark.load(recovered.watermarkTimers, recovered.watermarkTimers.length >= recovered.watermarkTimerCount);
    this.wall.load(recovered.wallTimers, recovered.wallTimers.length >= recovered.wallTimerCount);
    this.holds.load(recovered.holds, recovered.holds.length >= recovered.holdCount);
    for (const { member, hold } of recovered.watermarkTimers) if (hold !== undefined) this.holds.set(timerHold("watermark", member), hold);
    for (const { member, hold } of recovered.wallTimers) if (hold !== undefined) this.holds.set(timerHold("wall", member), hold);
    this.open = new Batch(this);
    this.#last = this.image.last;
  }

  /** A key has come into memory. */
  protected abstract adopt(key: KeyState): void;
  /** A cell of the key does not encode: find out whose write it was. */
  protected abstract blame(key: KeyState): void;
  protected abstract setUnfinishedAside(): void;

  // ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The key's state, or undefined while it is being read. */
  protected keyState(name: string): KeyState | undefined {
    const known = this.#keys.get(name);
    if (known !== undefined) {
      known.used = true;
      return known;
    }
    if (this.#keys.complete) return this.#enter(name, undefined);
    this.#keys.want(name);
    return undefined;
  }

  #enter(name: string, values: readonly (Uint8Array | undefined)[] | undefined): KeyState {
    const cells = this.planned.cells.map((cell, i) => new Cell(cell, name, values?.[i]));
    const key = new KeyState(name, cells, this.#holdOf(name, values?.[cells.length]));
    this.#keys.add(key);
    if (this.orphans.length > 0) this.adopt(key);
    return key;
  }

  #holdOf(name: string, stored: Uint8Array | undefined): number | undefined {
    const known = this.holds.timeOf(keyHold(name));
    if (known !== undefined || stored === undefined) return known;
    return Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).readDoubleLE(0);
  }

  protected orphansOf(key: string): readonly { readonly work: Work; readonly halted: boolean }[] {
    const mine = this.orphans.filter(({ work }) => keyOf(work) === key);
    if (mine.length > 0) this.orphans = this.orphans.filter(({ work }) => keyOf(work) !== key);
    return mine;
  }

  protected loadOrphans(): void {
    for (const { work } of [...this.orphans]) this.keyState(keyOf(work));
  }

  /** Asks for the states that will be needed soon, in one read. */
  protected prefetch(): void {
    if (!this.#keys.complete) {
      for (const { record } of this.inbox.ahead(PREFETCH)) this.#keys.want(record.key);
      for (const member of this.watermark.allDue(this.input, PREFETCH)) this.#keys.want(parseTimerMember(member).key);
      for (const member of this.wall.allDue(this.wallTime(), PREFETCH)) this.#keys.want(parseTimerMember(member).key);
      const wanted = this.#keys.takeWanted();
      if (wanted.length > 0) this.#load(wanted);
    }
    this.#page();
  }

  #load(keys: readonly string[]): void {
    const fields: string[] = [];
    const { cells } = this.planned;
    // What a key holds is in the index of holds too, which is here whole as a rule, and stays so. Something is asked in any case.
    const askHold = this.holds.horizon !== Number.POSITIVE_INFINITY || cells.length === 0;
    for (const key of keys) {
      for (const { id } of cells) fields.push(stateField(id, key));
      if (askHold) fields.push(stateField(HOLD_CELL, key));
    }
    this.host.effect({ kind: "read-state", shard: this.ref, sequencer: this.sequencer, keys, fields });
  }

  /** The answer to `read-state`; undefined: it failed, and is asked again. */
  onState(keys: readonly string[], values: readonly (Uint8Array | undefined)[] | undefined): void {
    const width = (values?.length ?? 0) / keys.length;
    keys.forEach((key, i) => {
      if (this.#keys.loaded(key) && values !== undefined) this.#enter(key, values.slice(i * width, (i + 1) * width));
    });
    this.host.wake(this);
  }

  // ── timers and holds that only the store knows ──────────────────────────────────────────────────────────────────

  #page(): void {
    if (this.inFlight !== undefined || !this.open.empty) return;
    for (const clock of ["watermark", "wall"] as const) {
      const now = clock === "watermark" ? this.input : this.wallTime();
      const whole = this.#wholeTimers && this[clock].horizon !== Number.POSITIVE_INFINITY;
      if (!this.#wholeTimers) this[clock].trim();
      if ((!whole && !this[clock].needsMore(now)) || this.paging.has(clock)) continue;
      const limit = Math.max(PAGE, this[clock].page);
      this.paging.set(clock, limit);
      this.host.effect({ kind: "read-timers", shard: this.ref, sequencer: this.sequencer, clock, limit });
    }
    if (this.holds.horizon <= this.input && this.holds.bound === this.holds.horizon && !this.paging.has("holds")) {
      this.paging.set("holds", PAGE);
      this.host.effect({ kind: "read-holds", shard: this.ref, sequencer: this.sequencer, limit: PAGE });
    }
  }

  /** Answers to `read-timers` and `read-holds`. Taken only if no batch has changed anything since they were asked. */
  onPage(what: TimerClock | "holds", limit: number, head: readonly (HoldSet & { readonly hold?: number | undefined })[] | undefined): void {
    this.paging.delete(what);
    if (head !== undefined && this.inFlight === undefined && this.open.empty) {
      const complete = head.length < limit;
      if (!complete && (head[0]?.time === head.at(-1)?.time || (what !== "holds" && this.#wholeTimers))) {
        this.paging.set(what, 2 * limit);
        if (what === "holds") this.host.effect({ kind: "read-holds", shard: this.ref, sequencer: this.sequencer, limit: 2 * limit });
        else this.host.effect({ kind: "read-timers", shard: this.ref, sequencer: this.sequencer, clock: what, limit: 2 * limit });
        return;
      }
      if (what === "holds") this.holds.load(head, complete);
      else {
        this[what].load(head, complete);
        for (const { member, hold } of head) if (hold !== undefined) this.holds.set(timerHold(what, member), hold);
      }
    }
    this.host.wake(this);
  }

  /** All timers of a key; undefined: only the store knows them all, and from now on they are kept in memory whole. */
  timersOf(key: string, untagged = false): readonly { readonly clock: TimerClock; readonly member: string }[] | undefined {
    this.#wholeTimers ||= this.planned.timers.some(({ node }) => (node.tagged || untagged) && this[node.clock].horizon !== Number.POSITIVE_INFINITY);
    if (this.unreadTimers) return undefined;
    const members: { clock: TimerClock; member: string }[] = [];
    for (const clock of ["watermark", "wall"] as const) for (const member of this[clock].ofKey(key)) members.push({ clock, member });
    for (const { id, node } of this.planned.timers) if (!node.tagged) members.push({ clock: node.clock, member: timerMember(id, undefined, key) });
    return members;
  }

  /** Is work waiting for timers that only the store knows? Nothing new is started before they are here. */
  protected get unreadTimers(): boolean {
    return this.#wholeTimers && (this.watermark.horizon !== Number.POSITIVE_INFINITY || this.wall.horizon !== Number.POSITIVE_INFINITY);
  }

  protected timerOutput(clock: TimerClock, member: string, time: number): number | undefined {
    return this[clock].outputOf(member) ?? (clock === "watermark" ? time : undefined);
  }

  /** Not one that `--drop` left behind. */
  protected declares(timer: number): boolean {
    return this.planned.timers.some((each) => each.id === timer);
  }

  protected timerNode(id: number): PlannedComputation["timers"][number] {
    const found = this.planned.timers.find((each) => each.id === id);
    invariant(found !== undefined, `${this.name} has a stored timer of id ${id}, which its class does not declare`);
    return found;
  }

  // ── what calls need ─────────────────────────────────────────────────────────────────────────────────────────────

  streamOf(handle: object): PlannedStream | undefined {
    return this.keyed.streamOf(handle);
  }
  cellOf(handle: object): number | undefined {
    return this.keyed.cellOf(handle);
  }
  timerOf(handle: object): number | undefined {
    return this.keyed.timerOf(handle);
  }
  logOf(key: string): Log {
    return this.host.logOf(this.name, key);
  }
  abstract drops(time: number, key: KeyState): boolean;

  protected decodeValue(work: RecordWork): unknown {
    const input = this.#inputs.get(work.record.input);
    invariant(input !== undefined, `${this.name} was sent a record for an input of id ${work.record.input}, which its class does not declare`);
    return openRecord(input.codec, work.record);
  }

  get outputFloor(): number {
    return Math.max(this.output, 0);
  }

  // ── sealing ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Encodes what the key's cells hold now; all of them, or none. */
  protected encode(key: KeyState): void {
    for (const cell of key.cells) if (cell.dirty) cell.encode();
    for (const cell of key.cells) {
      if (!cell.dirty) continue;
      cell.seal();
      this.#put(cell);
    }
    this.open.dirty.delete(key);
    this.#keys.weigh(key);
  }

  #put(cell: Cell): void {
    const { open } = this;
    if (cell.batch === open.mark) open.stateValues[cell.place] = cell.bytes;
    else {
      cell.batch = open.mark;
      cell.place = open.stateFields.push(cell.field) - 1;
      open.stateValues.push(cell.bytes);
    }
    open.bytes += cell.bytes?.length ?? 0;
  }

  #encodeAll(): void {
    const { dirty } = this.open;
    for (let keys = dirty.take(); keys.length > 0; keys = dirty.take()) {
      for (const key of keys) {
        try {
          this.encode(key);
        } catch {
          this.blame(key);
        }
      }
    }
  }

  seal(): Commit {
    this.setUnfinishedAside();
    this.#encodeAll();
    this.setUnfinishedAside();
    const batch = this.open;
    const { counters } = this.image;
    for (const name of COUNTED) counters[name] += batch.counted[name];
    counters.produced += batch.productions.length;
    const { keyHolds, timerSets, timerDeletes, holdSets, holdDeletes } = batch.net();
    for (const [key, hold] of keyHolds) {
      batch.stateFields.push(stateField(HOLD_CELL, key));
      batch.stateValues.push(hold === undefined ? undefined : holdBytes(hold));
    }
    this.image.last = Math.max(this.image.last, batch.last);
    const { stateFields, stateValues, deadPuts, deadDeletes } = batch;
    const commit = this.commitOf({
      consumed: this.inbox.consume(batch.taken),
      stateFields,
      stateValues,
      timerSets,
      timerDeletes,
      holdSets,
      holdDeletes,
      heldPuts: Array.from(batch.heldPuts, ([id, bytes]) => ({ id, bytes })),
      heldDeletes: [...batch.heldDeletes],
      deadPuts,
      deadDeletes,
      productions: batch.productions,
    });
    for (const key of batch.careful) key.careful = false;
    this.#sealed = batch;
    this.open = new Batch(this);
    this.inFlight = commit;
    return commit;
  }

  committed(): void {
    this.inFlight = undefined;
    this.#sealed = undefined;
    this.advance();
    this.#keys.sweep((key) => key.idle && key.batch !== this.open.mark);
  }

  // ── watermarks ──────────────────────────────────────────────────────────────────────────────────────────────────

  protected override get pendingHold(): number {
    return Math.min(this.inbox.smallestHold, this.open.pendingHold, this.#sealed?.pendingHold ?? END, this.heldHolds.bound);
  }

  get output(): number {
    const held = Math.min(this.heldHolds.bound, this.outbox.hold);
    return Math.min(this.input, this.watermark.bound, this.holds.bound, held, this.open.outputHold, this.#sealed?.outputHold ?? END);
  }

  get status(): Standing {
    if (this.output === END) return "finished";
    return this.host.blocked(this.participant) ? "back-pressured" : "live";
  }

  get quiet(): boolean {
    return this.inbox.size === 0 && this.inbox.reached(this.inbox.tail) && this.open.empty && this.inFlight === undefined && this.heldHolds.size === 0;
  }

  /** The largest event time known: here and, as of the last report, upstream. */
  get lastKnown(): number {
    return Math.max(this.image.last, this.#last);
  }
  learnLast(last: number): void {
    this.#last = Math.max(this.#last, last);
  }

  why(): Holder {
    return computationHolder(this);
  }
  abstract get waitsFor(): Work | undefined;
  abstract readonly running: { since(work: Work): number | undefined };

  get sealed(): { readonly number: number; readonly at: number } | undefined {
    return this.inFlight === undefined ? undefined : { number: this.inFlight.number, at: this.sealedAt };
  }

  get uncommittedHold(): number {
    return Math.min(this.open.pendingHold, this.open.outputHold, this.#sealed?.pendingHold ?? END, this.#sealed?.outputHold ?? END);
  }

  timerName(member: string): string | undefined {
    const address = parseTimerMember(member);
    return this.planned.timers.find((each) => each.id === address.timer)?.node.name;
  }

  /** Work that stands aside, by its id in `held`. */
  heldWork(id: number): { readonly work: Work; readonly halted: boolean } | undefined {
    for (const key of this.#keys.values()) {
      const work = key.held.find((each) => each.held === id);
      if (work !== undefined) return { work, halted: key.retryAt === Number.POSITIVE_INFINITY };
    }
    return this.orphans.find(({ work }) => work.held === id);
  }

  /** State of one key as memory has it, if it has it: for tests and inspection. */
  cached(key: string): KeyState | undefined {
    return this.#keys.get(key);
  }
  get cachedKeys(): number {
    return this.#keys.size;
  }
}
