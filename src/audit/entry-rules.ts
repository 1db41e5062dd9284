/**
 * The rules of what is stored by key: state, timers, holds, client ids. Pure: pages go in, findings come out, and with
 * them questions, which have to be answered as of one moment because they are about two entries at once.
 */
import { headOf } from "../computation/envelope.ts";
import { refusalOfId } from "../dedup/client-id.ts";
import { keyHold, parseStateField, parseTimerMember, type StateAddress, stateField, timerAddressOf, timerHold, timerMember } from "../store/address.ts";
import type { TimerClock } from "../store/commit.ts";
import type { Found, Names, ReadEntry, ReadTime } from "../store/reader.ts";
import { END } from "../time.ts";
import type { Findings } from "./findings.ts";
import type { AuditedShard } from "./stored-names.ts";

/** The reserved cell and timer: a key's hold, and the expiry of cells. */
const RESERVED = 0;

const SWEPT_LATER = "# entries are of parts that were dropped: the workers delete them, by and by";
const LEFT = "# entries are of parts that an older version dropped: they do no harm, and take room";

/** About one entry, with the other one that has to agree with it. */
type Question =
  | { readonly kind: "hold of a timer"; readonly clock: TimerClock; readonly member: string }
  | { readonly kind: "hold of a key"; readonly key: string }
  | { readonly kind: "expiry"; readonly cell: number; readonly key: string; readonly subkey: string | undefined };

export class EntryRules {
  readonly #shard: AuditedShard;
  readonly #swept: number;
  readonly #findings: Findings;
  #questions: Question[] = [];
  /** The largest timestamp of a client id. */
  latestId = Number.NEGATIVE_INFINITY;

  /** `swept`: the round of what was retired that the shard has swept, before anything of it is read. */
  constructor(shard: AuditedShard, swept: number, findings: Findings) {
    this.#shard = shard;
    this.#swept = swept;
    this.#findings = findings;
  }

  // ── state ───────────────────────────────────────────────────────────────────────────────────────────────────────

  state(entries: readonly ReadEntry[]): void {
    for (const id of ["state-address", "state-shard"] as const) this.#findings.checked(id, entries.length);
    for (const { name, bytes } of entries) this.#stateEntry(name, bytes as Uint8Array);
  }

  #stateEntry(field: string, bytes: Uint8Array): void {
    const address = parseStateField(field);
    if (address === undefined) {
      this.#findings.violated("state-address", this.#shard.at(), `${quoted(field)} is no state field`);
      return;
    }
    const { cell, key } = address;
    if (!this.#shard.owns(key)) this.#findings.violated("state-shard", this.#shard.at(key), `state field ${quoted(field)} belongs to another shard`);
    if (cell === RESERVED) {
      this.#questions.push({ kind: "hold of a key", key });
      return;
    }
    const named = this.#shard.participant.cellOf.get(cell);
    if (named === undefined) this.#unnamed("state-address", cell, key, `state of a cell of id ${cell}`);
    else this.#value(`state "${named.name}"`, named.codec, address, bytes);
  }

  #value(what: string, codec: string, { cell, key, subkey }: StateAddress, bytes: Uint8Array): void {
    const head = headOf(bytes);
    this.#findings.checked("state-value");
    if (head?.codec !== codec) {
      const found = head === undefined ? "does not begin as a value does" : `was written by codec "${head.codec}", the cell has "${codec}"`;
      this.#findings.violated("state-value", this.#shard.at(key), `${what} ${found}`);
    }
    if (head?.expiresAt !== undefined) this.#questions.push({ kind: "expiry", cell, key, subkey });
  }

  /** What a computation has lost stays until the shard's owner has swept it, so an id that was given once is no violation before. */
  #unnamed(id: "state-address" | "timer-address", part: number, key: string, what: string): void {
    const round = this.#shard.roundOf(part);
    if (round !== undefined && round <= this.#swept) this.#findings.violated(id, this.#shard.at(key), `${what}, of which it says that it has none left`);
    else if (this.#shard.names.isDropped(part)) this.#findings.note(round === undefined ? LEFT : SWEPT_LATER);
    else this.#findings.violated(id, this.#shard.at(key), `${what}, which ${this.#shard.participant.name} does not have`);
  }

  // ── timers ──────────────────────────────────────────────────────────────────────────────────────────────────────

  timers(clock: TimerClock, entries: readonly ReadTime[]): void {
    for (const id of ["timer-address", "timer-shard"] as const) this.#findings.checked(id, entries.length);
    for (const { member, time, ordered } of entries) {
      const address = timerAddressOf(member);
      if (address === undefined) {
        this.#findings.violated("timer-address", this.#shard.at(), `${quoted(member)} is no ${clock} timer`);
        continue;
      }
      const { timer, key } = address;
      this.#timerName(clock, timer, address.tag, key);
      const what = `${clock} timer ${this.#timerText(timer, address.tag)}`;
      if (!this.#shard.owns(key)) this.#findings.violated("timer-shard", this.#shard.at(key), `${what} belongs to another shard`);
      if (!isTime(time)) this.#findings.violated("timer-shard", this.#shard.at(key), `${what} is set for ${time}, which is no time`);
      if (!ordered) this.#findings.violated("counts", this.#shard.at(key), `${what} for ${time} is not in the order of times`);
    }
  }

  #timerName(clock: TimerClock, timer: number, tag: string | number | undefined, key: string): void {
    const { cellOf, timerOf } = this.#shard.participant;
    if (timer === RESERVED) {
      const cell = Number(tag);
      if (clock !== "wall") this.#findings.violated("timer-address", this.#shard.at(key), "a watermark timer is the expiry of a cell, which goes by wall time");
      else if (!cellOf.has(cell)) this.#unnamed("timer-address", cell, key, `the expiry of a cell of id ${tag}`);
      return;
    }
    const named = timerOf.get(timer);
    if (named === undefined) this.#unnamed("timer-address", timer, key, `a ${clock} timer of id ${timer}`);
    else if (named.clock !== clock)
      this.#findings.violated("timer-address", this.#shard.at(key), `timer "${named.name}" is a ${named.clock} timer, set on the ${clock} clock`);
  }

  #timerText(timer: number, tag: string | number | undefined): string {
    const { cellOf, timerOf } = this.#shard.participant;
    if (timer === RESERVED) return `of the expiry of state "${cellOf.get(Number(tag))?.name ?? tag}"`;
    return `"${timerOf.get(timer)?.name ?? timer}"${tag === undefined ? "" : ` (tag ${JSON.stringify(tag)})`}`;
  }

  // ── holds and ids ───────────────────────────────────────────────────────────────────────────────────────────────

  holds(entries: readonly ReadTime[]): void {
    for (const { member, time, ordered } of entries) {
      const [kind, rest] = [member.slice(0, 2), member.slice(2)];
      const address = kind === "t:" || kind === "w:" ? timerAddressOf(rest) : undefined;
      const key = kind === "k:" ? rest : address?.key;
      const id = kind === "k:" ? "hold-key" : "hold-timer";
      this.#findings.checked(id);
      if (key === undefined || key === "") {
        this.#findings.violated("hold-timer", this.#shard.at(), `${quoted(member)} is no hold`);
        continue;
      }
      const where = this.#shard.at(key);
      if (!this.#shard.owns(key)) this.#findings.violated(id, where, `hold ${quoted(member)} belongs to another shard`);
      if (!isTime(time)) this.#findings.violated(id, where, `hold ${quoted(member)} is at ${time}, which is no time`);
      if (!ordered) this.#findings.violated("counts", where, `hold ${quoted(member)} at ${time} is not in the order of times`);
      if (kind === "k:") this.#questions.push({ kind: "hold of a key", key });
      else this.#questions.push({ kind: "hold of a timer", clock: kind === "t:" ? "watermark" : "wall", member: rest });
    }
  }

  ids(entries: readonly ReadTime[]): void {
    this.#findings.checked("client-ids", entries.length);
    for (const { member, time, ordered } of entries) {
      const refusal = refusalOfId(member);
      if (refusal !== undefined) this.#findings.violated("client-ids", this.#shard.at(), refusal);
      if (!isTime(time)) this.#findings.violated("client-ids", this.#shard.at(), `id ${quoted(member)} is of ${time}, which is no time`);
      if (!ordered) this.#findings.violated("counts", this.#shard.at(), `id ${quoted(member)} of ${time} is not in the order of times`);
      this.latestId = Math.max(this.latestId, time);
    }
  }

  // ── questions ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** What has to be looked up, as of one moment, for the pages that were given since; undefined: nothing. */
  ask(): { readonly names: Names; readonly answer: (found: Found) => void } | undefined {
    const questions = this.#questions;
    if (questions.length === 0) return undefined;
    this.#questions = [];
    const names: Record<keyof Names, string[]> = { state: [], watermark: [], wall: [], holds: [] };
    for (const question of questions) {
      if (question.kind === "hold of a timer") {
        names[question.clock].push(question.member);
        names.holds.push(timerHold(question.clock, question.member));
      } else if (question.kind === "hold of a key") {
        names.state.push(stateField(RESERVED, question.key));
        names.holds.push(keyHold(question.key));
      } else {
        names.state.push(stateField(question.cell, question.key, question.subkey));
        names.wall.push(timerMember(RESERVED, question.cell, question.key));
      }
    }
    return { names, answer: (found) => this.#answer(questions, found) };
  }

  #answer(questions: readonly Question[], found: Found): void {
    const next = { state: 0, watermark: 0, wall: 0, holds: 0 };
    for (const question of questions) {
      if (question.kind === "hold of a timer") {
        this.#holdOfTimer(question, found.holds[next.holds++], found[question.clock][next[question.clock]++]);
      } else if (question.kind === "hold of a key") this.#holdOfKey(question.key, found.holds[next.holds++], found.state[next.state++]);
      else this.#expiry(question, found.state[next.state++], found.wall[next.wall++]);
    }
  }

  #holdOfTimer({ clock, member }: { clock: TimerClock; member: string }, hold: number | undefined, timer: number | undefined): void {
    // Gone since the page was read: the timer has fired, or was set anew.
    if (hold === undefined) return;
    const { timer: id, tag, key } = parseTimerMember(member);
    const what = `hold ${hold} of ${clock} timer ${this.#timerText(id, tag)}`;
    if (timer === undefined) this.#findings.violated("hold-timer", this.#shard.at(key), `${what}, which is not set`);
    else if (clock === "watermark" && hold > timer) this.#findings.violated("hold-timer", this.#shard.at(key), `${what} is after its time ${timer}`);
  }

  #holdOfKey(key: string, hold: number | undefined, state: Uint8Array | undefined): void {
    this.#findings.checked("hold-key");
    if (state !== undefined && state.length !== 8) {
      this.#findings.violated("hold-key", this.#shard.at(key), `the hold in the key's state has ${state.length} bytes, not 8`);
      return;
    }
    const known = state === undefined ? undefined : new DataView(state.buffer, state.byteOffset, 8).getFloat64(0, true);
    if (known === hold) return;
    this.#findings.violated("hold-key", this.#shard.at(key), `the index has ${hold ?? "none"}, the key's state ${known ?? "none"}`);
  }

  #expiry({ cell, key }: { cell: number; key: string }, state: Uint8Array | undefined, timer: number | undefined): void {
    const expiresAt = state === undefined ? undefined : headOf(state)?.expiresAt;
    this.#findings.checked("state-expiry");
    if (expiresAt === undefined || timer === expiresAt) return;
    const name = this.#shard.participant.cellOf.get(cell)?.name ?? String(cell);
    this.#findings.violated(
      "state-expiry",
      this.#shard.at(key),
      `state "${name}" expires at ${expiresAt}; its timer is ${timer === undefined ? "not set" : `set for ${timer}`}`,
    );
  }
}

export const isTime = (time: number): boolean => Number.isInteger(time) && time >= 0 && time <= END;

export const quoted = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
