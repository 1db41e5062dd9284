/**
 * One call of user code: the `Context` it is given, and the effects it has had so far. The call's effects are its own
 * until it succeeded; only its state is written to the key's cells directly, which no one else uses meanwhile.
 *
 * I1  After the call settled or timed out its context is dead: any use throws and changes nothing.
 * I2  A production is never earlier than the call's base time, except down to the key's hold set before the call.
 */
import { InvalidUseError, LimitExceededError } from "../errors.ts";
import { CALL_BYTES, CALL_PRODUCTIONS, TAG_BYTES } from "../limits.ts";
import { timerMember } from "../store/address.ts";
import { show } from "../computation/checks.ts";
import type { Log, ProduceOptions, SetTimerOptions } from "../computation/context.ts";
import { isHandle } from "../computation/handle.ts";
import type { Output } from "../computation/output.ts";
import type { StateCell } from "../computation/state.ts";
import type { TimerFamily, TimerSlot } from "../computation/timer.ts";
import type { SystemContext } from "../effects/effect-computation.ts";
import { isStorable } from "../text.ts";
import { END, isTimestamp, LAST_TIMER } from "../time.ts";
import { CallEffects } from "./batch.ts";
import type { Cell, KeyState } from "./key-state.ts";
import type { Origin } from "./parcel.ts";
import type { PlannedComputation, PlannedStream } from "./plan.ts";
import { deliver } from "./produce.ts";
import { ValueAccess } from "./value-access.ts";
import type { Work } from "./work.ts";

/** What a call needs of the shard it runs in. */
export interface CallShard {
  /** Of the last commit that was sealed. */
  readonly number: number;
  readonly origin: Origin;
  readonly planned: PlannedComputation;
  readonly input: number;
  /** Smallest timestamp that is still on time downstream. */
  readonly outputFloor: number;
  /** Is a timer that a firing of this key sets for this time dropped? At the end of time, if that is later than all that is known. */
  drops(time: number, key: KeyState): boolean;
  /** undefined: no timer goes by a percentile. */
  readonly percentiles: { value(percentile: number): number } | undefined;
  readonly frozen: boolean;
  readonly deadLettersFull: boolean;
  wallTime(): number;
  nextPlace(): number;
  streamOf(output: object): PlannedStream | undefined;
  cellOf(cell: object): number | undefined;
  timerOf(timer: object): number | undefined;
  /** undefined: they are not all in memory, and the call must be made again when they are. */
  timersOf(key: string): readonly { readonly clock: "watermark" | "wall"; readonly member: string }[] | undefined;
  logOf(key: string): Log;
}

export class Call implements SystemContext {
  readonly #shard: CallShard;
  readonly #key: KeyState;
  readonly #work: Work;
  readonly #base: number;
  readonly #floor: number;
  #alive = true;
  #abort: AbortController | undefined = undefined;
  #droppedTimers = 0;
  #early = false;
  #letter: { readonly error: unknown; readonly attempts: number } | undefined = undefined;
  /** The cell that was accessed last, and its accessor. */
  #cell = -1;
  #access: unknown = undefined;
  effects: CallEffects;

  constructor(shard: CallShard, key: KeyState, work: Work, effects: CallEffects) {
    this.#shard = shard;
    this.#key = key;
    this.#work = work;
    this.effects = effects;
    this.#base = work.kind === "record" ? work.record.timestamp : Math.max(work.output ?? Math.max(shard.input, 0), 0);
    this.#floor = key.hold === undefined ? this.#base : Math.min(key.hold, this.#base);
  }

  get key(): string {
    return this.#key.key;
  }
  get watermark(): number {
    return this.#shard.input;
  }
  get outputFloor(): number {
    return this.#shard.outputFloor;
  }
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }
  get log(): Log {
    return this.#shard.logOf(this.#key.key);
  }
  get alive(): boolean {
    return this.#alive;
  }
  /** Settings of looping timers dropped at the end of time. */
  get droppedTimers(): number {
    return this.#droppedTimers;
  }
  /** It needed what is not in memory yet: it must be made again, whatever it did. */
  get early(): boolean {
    return this.#early;
  }
  now(): number {
    return this.#shard.wallTime();
  }
  /** Number of the shard's commit that has what the call does, if it succeeds now. */
  get commit(): number {
    return this.#shard.number + 1;
  }
  get attempt(): number {
    return this.#work.attempts + 1;
  }
  /** Why its record goes to dead letters although the call succeeded. */
  get letter(): { readonly error: unknown; readonly attempts: number } | undefined {
    return this.#letter;
  }

  park(error: unknown, attempts: number): void {
    this.check();
    if (this.#shard.deadLettersFull) throw new LimitExceededError("the dead letters of this shard are full: retry or discard some");
    this.#letter = { error, attempts };
  }

  state<Access>(cell: StateCell<Access>): Access {
    this.check();
    const index = this.#shard.cellOf(cell);
    if (index === undefined) throw this.#undeclared("state", cell);
    if (this.#cell !== index) {
      this.#cell = index;
      this.#access = new ValueAccess(this, this.#key.cells[index] as Cell, this.#shard.frozen);
    }
    return this.#access as Access;
  }

  produce<T>(output: Output<T>, value: NoInfer<T>, options?: ProduceOptions): void {
    this.check();
    const stream = this.#shard.streamOf(output);
    if (stream === undefined) throw this.#undeclared("output", output);
    const timestamp = options?.timestamp ?? this.#base;
    if (timestamp !== this.#base) this.#checkTimestamp(timestamp);
    const { productions, bytes } = this.effects;
    const before = productions.length;
    const place = this.#shard.nextPlace();
    this.effects.bytes += deliver(stream, { value, timestamp, id: undefined, place, senderKey: this.#key.key }, this.#shard.origin, productions);
    if (productions.length <= CALL_PRODUCTIONS && this.effects.bytes <= CALL_BYTES) return;
    const limit = productions.length > CALL_PRODUCTIONS ? `${CALL_PRODUCTIONS} records` : `${CALL_BYTES} bytes`;
    productions.length = before;
    this.effects.bytes = bytes;
    throw new LimitExceededError(`one call produced more than ${limit}: let a timer go on with the rest`);
  }

  #checkTimestamp(timestamp: number): void {
    if (!isTimestamp(timestamp)) throw new InvalidUseError(`a production's timestamp is integer ms since the epoch, not ${timestamp}`);
    if (timestamp < this.#floor) {
      throw new InvalidUseError(
        `a production at ${timestamp} would be before its ${this.#work.kind} at ${this.#base}: set a hold at or before ${timestamp} in an earlier call of this key, or produce at ${this.#base} or later`,
      );
    }
  }

  setTimer(timer: TimerSlot, time: number, options?: SetTimerOptions): void {
    this.check();
    const { node, id, tag } = this.#timer(timer);
    if (!isTimestamp(time))
      throw new InvalidUseError(`timer "${node.name}" is set for ${String(time)}: a time is integer ms since the epoch, from 0 to ${LAST_TIMER}`);
    const member = timerMember(id, tag, this.#key.key);
    if (this.#work.kind === "timer" && this.#shard.drops(time, this.#key)) {
      this.#droppedTimers++;
      this.effects.timers.push({ clock: node.clock, member, time: undefined, output: undefined });
      return;
    }
    this.effects.timers.push({ clock: node.clock, member, time, output: this.#timerOutput(node.clock, node.name, time, options?.output) });
  }

  /** An event timer holds at its time; a wall timer where the call stands, so that what it produces is not late. */
  #timerOutput(clock: "watermark" | "wall", name: string, time: number, output: number | "none" | undefined): number | undefined {
    if (output === undefined) return clock === "watermark" ? time : this.#base;
    if (output === "none") return clock === "watermark" ? time : undefined;
    if (!isTimestamp(output) || output < this.#floor || (clock === "watermark" && output > time)) {
      throw new InvalidUseError(
        `timer "${name}" for ${time} has the output timestamp ${output}: it may be from ${this.#floor} (where the call stands) ${clock === "watermark" ? `to ${time} (the timer's time)` : "on"}`,
      );
    }
    return output;
  }

  deleteTimer(timer: TimerSlot): void {
    this.check();
    const { node, id, tag } = this.#timer(timer);
    this.effects.timers.push({ clock: node.clock, member: timerMember(id, tag, this.#key.key), time: undefined, output: undefined });
  }

  percentileWatermark(timer: TimerSlot | TimerFamily<string | number>): number {
    this.check();
    const handle = timer as TimerSlot & { readonly family?: object };
    const index = this.#shard.timerOf(handle.family ?? handle);
    if (index === undefined) throw this.#undeclared("timer", timer);
    const { percentile } = (this.#shard.planned.timers[index] as PlannedComputation["timers"][number]).node;
    if (percentile === undefined) throw new InvalidUseError(`timer "${timer.name}" was declared without a percentile: context.watermark is what it fires by`);
    return this.#shard.percentiles?.value(percentile) ?? this.#shard.input;
  }

  #timer(slot: TimerSlot): { node: PlannedComputation["timers"][number]["node"]; id: number; tag: string | number | undefined } {
    const handle = slot as TimerSlot & { readonly family?: object; readonly tag?: string | number };
    const index = this.#shard.timerOf(handle.family ?? handle);
    if (index === undefined) throw this.#undeclared("timer", slot);
    const { node, id } = this.#shard.planned.timers[index] as PlannedComputation["timers"][number];
    const tag = handle.tag;
    if (node.tagged && tag === undefined) throw new InvalidUseError(`timers "${node.name}" needs a tag: give timers.for(tag)`);
    if (tag !== undefined && String(tag).length > TAG_BYTES / 3 && Buffer.byteLength(String(tag)) > TAG_BYTES)
      throw new LimitExceededError(`a tag of timer "${node.name}" is longer than ${TAG_BYTES} bytes`);
    if (typeof tag === "string" && !isStorable(tag))
      throw new InvalidUseError(`a tag of timer "${node.name}", ${JSON.stringify(tag)}, is not well-formed Unicode: two such tags would be one when stored`);
    return { node, id, tag };
  }

  hold(time: number | undefined): void {
    this.check();
    if (time !== undefined && !isTimestamp(time)) throw new InvalidUseError(`a hold is integer ms since the epoch or undefined, not ${String(time)}`);
    this.effects.hold = time ?? null;
  }

  clear(): void {
    this.check();
    for (const cell of this.#key.cells) new ValueAccess(this, cell, false).delete();
    const timers = this.#shard.timersOf(this.#key.key);
    this.#early ||= timers === undefined;
    for (const { clock, member } of timers ?? []) this.effects.timers.push({ clock, member, time: undefined, output: undefined });
    for (const { clock, member, time } of this.effects.timers.slice())
      if (time !== undefined) this.effects.timers.push({ clock, member, time: undefined, output: undefined });
    this.effects.hold = null;
  }

  /** The cell is being written: its expiry, and that it must be encoded. */
  wrote(cell: Cell): void {
    cell.dirty = true;
    const { ttl, name: _ } = cell.planned.node;
    if (ttl === undefined || !cell.present) return;
    cell.expiresAt = Math.min(this.#shard.wallTime() + ttl, END);
    this.effects.timers.push({ clock: "wall", member: timerMember(0, cell.planned.id, this.#key.key), time: cell.expiresAt, output: undefined });
  }

  check(): void {
    if (!this.#alive)
      throw new InvalidUseError(`the context of key ${JSON.stringify(this.#key.key)} was used after its call had ended: await everything inside the handler`);
  }

  /** The call has settled, or may not go on. */
  close(reason?: string): void {
    this.#alive = false;
    if (reason !== undefined) this.#abort?.abort(new InvalidUseError(reason));
  }

  #undeclared(what: string, handle: unknown): InvalidUseError {
    const { planned } = this.#shard;
    const given = Object(handle) as { readonly name?: string; readonly stream?: { readonly name: string } };
    if (what === "output" && isHandle(handle, "stream")) {
      const field = planned.node.outputs.find(({ stream }) => stream === given.name)?.field;
      const remedy = field === undefined ? `declare a field with output(${given.name}) and give that` : `give this.${field}`;
      return new InvalidUseError(`${planned.name} produces to the stream "${given.name}" itself, where its output field is expected: ${remedy}`);
    }
    if (typeof handle !== "object" || handle === null) return new InvalidUseError(`${planned.name} uses ${show(handle)} as ${what}: give a field of its class`);
    const name = given.name ?? given.stream?.name;
    return new InvalidUseError(`${planned.name} uses ${what} ${name === undefined ? "" : `"${name}" `}that is not a field of its class: declare it as one`);
  }
}
