/**
 * The auditor: watches what is applied to the store, call by call, and checks what must hold after each, by brute force
 * over all that is pending. It knows nothing of any worker's memory.
 *
 * A1  Only the last owner's commits are applied, each with the next number.
 * A2  A shard's input watermark and processing time never fall; the input never passes what feeds it, nor a record of its
 *     own that is not done and was not late when it was appended.
 * A3  A published watermark never falls, and never passes what is pending anywhere in its participant: unread and
 *     unfinished records, held ones, timers, holds, an injector's promise. One that is finished has no record to do, also
 *     none that is late, but for what wall timers produce after the end.
 * A4  What a shard does in time is in time for those it feeds.
 * A5  A report is taken only from one who has owned the shards since another last committed to them (R7).
 * A7  A report that comes after a later one of the same worker changes nothing.
 * A8  A dead letter is one no more only where an operator asked the shard's owner, and once; a record that comes back by
 *     that holds the watermark, and not behind where it stands.
 * A6 and A9 are of `injection-audit.ts`, A10 of `outbox-ledger.ts`, A11 of `command-audit.ts`, A15 of `shard-ledger.ts`.
 * E3  An effect's record is consumed only after it has been performed, or has gone to dead letters after its last attempt.
 */
import { indexOf, participantOf, type ShardRef, shardRef } from "../../key.ts";
import type { Commit, Sequencer } from "../../store/commit.ts";
import type { MemoryData } from "../../store/memory-data.ts";
import type { Delivery, DeliverReply, Interval, ParticipantWatermark, WatermarkReport } from "../../store/store.ts";
import { BEGINNING, END } from "../../time.ts";
import type { TimerCommand } from "../../worker/computation-operated.ts";
import { parseDeadLetter } from "../../worker/held.ts";
import { decodeImage } from "../../worker/image.ts";
import { unpackParcel } from "../../worker/parcel.ts";
import type { Plan, PlannedParticipant } from "../../worker/plan.ts";
import { type CallsOf, CommandAudit, type OperatedTimer } from "./command-audit.ts";
import { checkDrained } from "./drained.ts";
import { type Audited, checkPromise, InjectionAudit } from "./injection-audit.ts";
import { leastInTime } from "./outbox-ledger.ts";
import { type Applied, type LetterFate, nameOf, ShardLedger } from "./shard-ledger.ts";
import type { PerformedEffects } from "./simulated-effects.ts";
import type { SimulatedSource } from "./simulated-edges.ts";
import { name } from "./store-request.ts";
import { upstreamBound } from "./upstream-bound.ts";
import { check } from "./violation.ts";

/** A dead letter that is none any more. */
export type GoneLetter = Applied["gone"][number] & { readonly participant: number };

/** What is known of a run beside what is stored, and outlives a store that goes back. */
interface Outside {
  /** undefined: someone else performs them, and is not watched. */
  readonly effects: PerformedEffects | undefined;
  /** What operators asked the owner of a shard to do with its letters: by shard, sequencer and number; undefined: they do not tell. */
  readonly asked: Map<string, LetterFate> | undefined;
  readonly commands: CommandAudit;
  readonly injections: InjectionAudit;
}

export class StoreAudit {
  readonly #outside: Outside;
  /** Dead letters that were revived or discarded, in order. */
  readonly gone: GoneLetter[];
  /** What was done to timers, in order. */
  readonly operated: OperatedTimer[];
  #letters = 0;
  readonly #audited: ReadonlyMap<number, Audited>;
  readonly #ledgers: ReadonlyMap<ShardRef, ShardLedger>;
  #published: ReadonlyMap<number, ParticipantWatermark>;
  /** What the watermarks upstream have allowed at most, so far. */
  readonly #bounds: Map<number, number>;
  /** To which a wall timer has produced after its computation had come to the end, live or finished, or where it stands aside, and what that led to: such a timer holds no watermark. */
  readonly #afterEnd = new Set<ShardRef>();

  private constructor(
    audited: ReadonlyMap<number, Audited>,
    ledgers: ReadonlyMap<ShardRef, ShardLedger>,
    published: ReadonlyMap<number, ParticipantWatermark>,
    bounds: Map<number, number>,
    outside: Outside,
    { gone, operated }: Pick<StoreAudit, "gone" | "operated">,
  ) {
    this.#outside = outside;
    this.gone = gone;
    this.operated = operated;
    this.#audited = audited;
    this.#ledgers = ledgers;
    this.#published = published;
    this.#bounds = bounds;
  }

  /** `operators`: all that act on dead letters are those of the simulation, who tell by `asked`; undefined: they do not. */
  static of(
    plan: Plan,
    sources: ReadonlyMap<string, readonly SimulatedSource[]>,
    { effects, operators }: { readonly effects: PerformedEffects | undefined; readonly operators: { readonly callsOf?: CallsOf | undefined } | undefined },
  ): StoreAudit {
    const audited = new Map<number, Audited>();
    const ledgers = new Map<ShardRef, ShardLedger>();
    for (const participant of plan.participants) {
      const { id, upstream } = participant;
      const shards = Array.from({ length: participant.shards }, (_, index) => shardRef(id, index));
      const feeds = plan.participants.filter((other) => other.upstream.includes(id)).map((other) => other.id);
      const idles =
        participant.kind === "injector" ? participant.node.source.watermark.idleAfter !== undefined : upstream.every((each) => audited.get(each)?.idles);
      audited.set(id, { participant, shards, feeds, idles, sources: sources.get(participant.name) ?? [] });
      for (const shard of shards) ledgers.set(shard, new ShardLedger(shard, effectOf(participant) !== undefined));
    }
    const outside = {
      effects,
      asked: operators === undefined ? undefined : new Map<string, LetterFate>(),
      commands: new CommandAudit(operators?.callsOf),
      injections: new InjectionAudit(),
    };
    return new StoreAudit(audited, ledgers, new Map(), new Map(), outside, { gone: [], operated: [] });
  }

  /** As it is now, for a store that will come back to this. */
  copy(): StoreAudit {
    const ledgers = new Map<ShardRef, ShardLedger>();
    for (const [shard, ledger] of this.#ledgers) ledgers.set(shard, ledger.copy());
    const done = { gone: [...this.gone], operated: [...this.operated] };
    const copy = new StoreAudit(this.#audited, ledgers, this.#published, new Map(this.#bounds), this.#outside, done);
    copy.#letters = this.#letters;
    for (const shard of this.#afterEnd) copy.#afterEnd.add(shard);
    return copy;
  }

  /** Shards to which records were handed over in a chain that are in no commit of theirs. */
  readonly handedTo = new Set<ShardRef>();

  /** Are all participants finished, as far as the store has been told? */
  get finished(): boolean {
    for (const id of this.#audited.keys()) if (this.#published.get(id)?.status !== "finished") return false;
    for (const shard of this.#afterEnd) if (this.#ledger(shard).unfinished > 0) return false;
    // What a wall timer produces after the end is held by no watermark.
    for (const { outbox } of this.#ledgers.values()) if (outbox.waiting > 0) return false;
    return true;
  }

  /** An operator has asked the owner of a shard, and it is going to. */
  asked(shard: ShardRef, sequencer: Sequencer, letter: number, fate: LetterFate): void {
    const { asked } = this.#outside;
    const what = `${shard} ${sequencer} ${letter}`;
    if (asked?.has(what) === false) asked.set(what, fate);
  }

  /** An operator has asked something of a timer. */
  commanded(shard: ShardRef, sequencer: Sequencer, command: TimerCommand): void {
    this.#outside.commands.asked(shard, sequencer, command);
  }

  /** Is this the last grant of the shard? */
  owns(shard: ShardRef, sequencer: Sequencer): boolean {
    return this.#ledger(shard).sequencer === sequencer;
  }

  /** Numbers of the last commits. */
  *numbers(): Generator<readonly [ShardRef, number]> {
    for (const [shard, { number }] of this.#ledgers) yield [shard, number];
  }
  /** What the commits say of one shard. */
  ledger(shard: ShardRef): Pick<ShardLedger, "number" | "owner" | "injected"> {
    return this.#ledger(shard);
  }

  /** Dead letters of computations. */
  get letters(): number {
    return this.#letters;
  }

  /** Shards of computations that have some. */
  get withLetters(): ShardRef[] {
    const shards: ShardRef[] = [];
    for (const { participant, shards: each } of this.#audited.values())
      if (participant.kind === "computation") for (const shard of each) if (this.#ledger(shard).dead > 0) shards.push(shard);
    return shards;
  }

  granted(shard: ShardRef, worker: string, sequencer: Sequencer): void {
    Object.assign(this.#ledger(shard), { sequencer, owner: worker, committed: false });
  }

  /** What a shard is like that is about to be granted; `shared`: others own shards of the same participant. */
  standing(shard: ShardRef, worker: string): { readonly owner: string | undefined; readonly rare: readonly string[] } {
    const ledger = this.#ledger(shard);
    const { owner } = ledger;
    const rare = this.#of(participantOf(shard)).shards.some((each) => each !== shard && (this.#ledger(each).owner ?? worker) !== worker) ? ["shared"] : [];
    if (owner === undefined || owner === worker) return { owner, rare };
    const { timers, aside } = ledger.pending();
    rare.push("takeover");
    if (aside > 0) rare.push("takeover with held records");
    if (timers > 0) rare.push("takeover with timers");
    if (ledger.holds > 0) rare.push("takeover with holds");
    if (ledger.outbox.waiting > 0) rare.push("takeover with an outbox");
    return { owner, rare };
  }

  registered(worker: string, intervals: readonly Interval[]): void {
    for (const { participant, shards } of intervals) {
      for (const shard of this.#of(participant).shards) {
        const ledger = this.#ledger(shard);
        if (shards.includes(indexOf(shard))) ledger.speaker = worker;
        else if (ledger.speaker === worker) ledger.speaker = undefined;
      }
    }
  }

  /** The worker's report of a participant has been taken; `after`: what is published since. */
  reported(worker: string, { participant, number }: WatermarkReport, arrival: "news" | "overtaken", after: ParticipantWatermark | undefined): void {
    const before = this.#published.get(participant);
    const changes = arrival === "overtaken" && before?.status !== after?.status;
    check(!changes, "A7 overtaken report", () => `number ${number} of ${worker} has made participant ${participant} ${after?.status} again`);
    for (const shard of this.#of(participant).shards) {
      const { speaker, owner, committed } = this.#ledger(shard);
      const former = speaker === worker && owner !== worker && committed;
      check(!former, "A5 former owner", () => `${worker} has reported ${name(shard)}, to which ${owner} has committed`);
    }
  }

  /** Has the store to refuse this commit: has the shard another owner or number, or the inbox no such parcel? */
  refuses({ shard, sequencer, number, consumed }: Commit): boolean {
    const ledger = this.#ledger(shard);
    return sequencer !== ledger.sequencer || number !== ledger.number + 1 || (consumed !== undefined && !ledger.has(consumed));
  }

  // ── commits ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A commit has been applied. `now`: the largest time that the store clock has shown. */
  committed(commit: Commit, now: number): void {
    const ledger = this.#ledger(commit.shard);
    const audited = this.#of(participantOf(commit.shard));
    const image = decodeImage(commit.image);
    const { consumed } = commit;
    const what = (): string => `${name(commit.shard)}#${commit.number}`;
    check(commit.sequencer === ledger.sequencer, "A1 fence", () => `${what()} of ${commit.sequencer} was applied, but ${ledger.sequencer} owns it`);
    check(commit.number === ledger.number + 1, "A1 number", () => `${what()} was applied after #${ledger.number}`);
    check(image.input >= ledger.input, "A2 input falls", () => `${what()} from ${ledger.input} to ${image.input}`);
    const inTime = image.wallTime >= ledger.wallTime && image.wallTime <= now;
    check(inTime, "A2 processing time", () => `${what()} has ${image.wallTime}, after ${ledger.wallTime}, at ${now}`);
    check(consumed === undefined || consumed.position <= ledger.tail, "A1 consumption", () => `${what()} consumes to ${consumed?.position} of ${ledger.tail}`);
    const floor = audited.participant.kind === "injector" ? ledger.input : ledger.floor(image.input);
    if (audited.participant.kind !== "injector") {
      const bound = this.#boundOf(audited.participant.id);
      check(image.input <= bound, "A2 input passes upstream", () => `${name(commit.shard)} has ${image.input}, upstream allows ${bound}`);
      const limit = ledger.inputLimit();
      check(image.input <= limit, "A2 input passes a record", () => `${name(commit.shard)} has ${image.input}, a record waits at ${limit}`);
    } else {
      checkPromise(audited, commit, image, now);
      const { status } = this.#published.get(audited.participant.id) ?? {};
      this.#outside.injections.checkInjects(commit, audited.participant, status, this.#audited.values(), ledger.input);
    }
    this.operated.push(...this.#outside.commands.done(commit));
    const injects = audited.participant.kind === "injector";
    const { finished, gone } = ledger.apply(commit, image, injects, floor, (letter) => this.#fateOf(commit, letter));
    for (const each of gone) this.gone.push({ ...each, participant: audited.participant.id });
    if (audited.participant.kind === "computation") this.#letters += commit.deadPuts.length - gone.length;
    if (finished.length > 0) this.#checkPerformed(audited.participant, commit, finished);
    ledger.committed = true;
    this.handedTo.delete(commit.shard);
    this.#append(ledger, commit, audited, floor);
  }

  #fateOf({ shard, sequencer }: Commit, letter: number): LetterFate | undefined {
    const { asked } = this.#outside;
    return asked === undefined ? "revived" : asked.get(`${shard} ${sequencer} ${letter}`);
  }

  #checkPerformed(participant: PlannedParticipant, { deadPuts }: Commit, finished: readonly string[]): void {
    const { effects } = this.#outside;
    if (effects === undefined) return;
    const effect = effectOf(participant) as string;
    const parked = new Set(deadPuts.map(({ bytes }) => parseDeadLetter(bytes).id));
    for (const id of finished) effects.consumed(effect, id, parked.has(id));
  }

  #append(ledger: ShardLedger, commit: Commit, sender: Audited, floor: number): void {
    const produced = [...commit.parcels, ...commit.handed, ...commit.outbox];
    // Where other shards are not at the end yet, what holds nothing may still come after they are.
    const unheld = () => ledger.input === END && produced.every(({ bytes }) => bytes.length === 0 || leastInTime(bytes, BEGINNING) === END);
    const ended = () => (commit.consumed?.records ?? 0) === 0 && (this.#published.get(sender.participant.id)?.output === END || unheld());
    // A firing that stood aside as the end came holds as little as its timer did; a timer that fired may be set anew by the same commit.
    const fires = commit.heldDeletes.length > 0 || [...commit.timerDeletes, ...commit.timerSets].some(({ clock }) => clock === "wall");
    const afterEnd = this.#afterEnd.has(commit.shard) || (fires && ended());
    if (afterEnd) for (const { target } of commit.heldPuts.length > 0 ? [{ target: commit.shard }, ...produced] : produced) this.#afterEnd.add(target);
    for (const { target, bytes } of commit.parcels) this.#appendTo(target, bytes, commit.shard, floor);
    for (const { target, bytes } of commit.handed) this.#appendTo(target, bytes, commit.shard, floor, "hand");
    // Injected by this commit, wherever it is to be delivered.
    if (confirms(sender.participant))
      for (const { bytes } of produced) if (bytes.length > 0) unpackParcel(bytes, (record) => ledger.injected.push(nameOf(record)));
    ledger.outbox.commit(commit, floor);
  }

  #appendTo(target: ShardRef, bytes: Uint8Array, from: ShardRef, floor: number, how: "append" | "hand" = "append"): void {
    const id = participantOf(target);
    const bound = this.#boundOf(id);
    const records = this.#ledger(target)[how](bytes, bound);
    if (how === "hand") this.handedTo.add(target);
    const sender = this.#of(participantOf(from));
    if (sender.idles && this.#of(id).participant.upstream.length > 1) return;
    for (const { timestamp, place } of records) {
      const late = timestamp >= floor && timestamp < bound;
      check(!late, "A4 late downstream", () => `${name(from)} produced ${place} at ${timestamp} in time (${floor}), but ${name(target)} may stand at ${bound}`);
    }
  }

  /** Deliveries have been carried out. */
  delivered(deliveries: readonly Delivery[], { outcomes }: DeliverReply): void {
    deliveries.forEach((delivery, i) => {
      const sent = this.#ledger(delivery.from).outbox.delivered(delivery, (outcomes[i] as DeliverReply["outcomes"][number]).outcome);
      if (sent !== undefined) this.#appendTo(sent.target, sent.bytes, delivery.from, sent.floor);
    });
  }

  // ── watermarks ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** A report has been taken, or shards have been registered. Says whether anything published is different now. */
  published(watermarks: readonly ParticipantWatermark[]): boolean {
    const before = this.#published;
    let different = false;
    for (const { participant, output, status } of watermarks) {
      const known = before.get(participant);
      const last = known?.output ?? BEGINNING;
      this.#outside.injections.published(participant, output);
      different ||= output !== last || status !== known?.status;
      check(output >= last, "A3 watermark falls", () => `participant ${participant} from ${last} to ${output}`);
      if (output === last && status !== "finished") continue;
      const audited = this.#of(participant);
      const limit = this.#limitOf(audited);
      check(output <= limit, "A3 watermark passes", () => `${audited.participant.name} has published ${output}; what is pending allows ${limit}`);
      if (status === "finished") this.#checkFinished(audited, limit, known?.status);
    }
    // Of the same follow the same bounds.
    if (!different) return false;
    this.#published = new Map(watermarks.map((watermark) => [watermark.participant, watermark]));
    for (const { participant } of this.#audited.values()) this.#raiseBound(participant);
    return true;
  }

  #checkFinished({ participant, shards }: Audited, limit: number, before: ParticipantWatermark["status"] | undefined): void {
    check(limit === END, "A3 finished", () => `${participant.name} is finished; what is pending allows ${limit}`);
    if (before === "finished") return;
    const shard = shards.find((each) => !this.#afterEnd.has(each) && this.#ledger(each).unfinished > 0);
    check(
      shard === undefined,
      "A3 finished",
      () => `${participant.name} is finished; ${name(shard ?? 0)} has ${this.#ledger(shard ?? 0).unfinished} records to do`,
    );
  }

  #limitOf({ participant, shards }: Audited): number {
    let limit = participant.kind === "injector" ? END : this.#boundOf(participant.id);
    for (const shard of shards) {
      const ledger = this.#ledger(shard);
      const mine = participant.kind === "injector" ? ledger.input : Math.min(ledger.floor(limit), ledger.inputLimit());
      limit = Math.min(limit, mine, ledger.outbox.hold);
    }
    return limit;
  }

  #boundOf(participant: number): number {
    return this.#bounds.get(participant) ?? BEGINNING;
  }

  #raiseBound({ id, kind, upstream }: PlannedParticipant): void {
    if (kind === "injector") return;
    const least = upstreamBound(upstream, (each) => this.#published.get(each));
    if (least > this.#boundOf(id)) this.#bounds.set(id, least);
  }

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Has the store what the commits said, and is nothing left to do? */
  drained(data: MemoryData): void {
    for (const [shard, ledger] of this.#ledgers) {
      const [stored] = data.recover([shard], { timers: 0, holds: 0 });
      if (stored !== undefined) checkDrained(stored, ledger);
    }
  }

  #ledger(shard: ShardRef): ShardLedger {
    return this.#ledgers.get(shard) as ShardLedger;
  }

  #of(participant: number): Audited {
    return this.#audited.get(participant) as Audited;
  }
}

const confirms = (participant: PlannedParticipant): boolean => participant.kind === "injector" && participant.node.source.confirms === true;

function effectOf(participant: PlannedParticipant): string | undefined {
  return participant.kind === "computation" ? participant.node.effect?.name : undefined;
}
