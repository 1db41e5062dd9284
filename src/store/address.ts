/**
 * How the parts of a shard are addressed inside it. Each function is injective: no key, tag or subkey can forge the
 * address of another (`test/store/address.test.ts`).
 *
 *   state field   <cell id, base 36>:<key>                           a cell that is one value
 *                 <cell id, base 36>;<length of key>:<key><subkey>    a part of a cell that is many
 *   timer member  <timer id, base 36>:<length of tag>:<tag><key>      tag: "" | "n<number>" | "s<string>"
 *   hold member   t:<timer member> | w:<timer member> | k:<key> | h:<held id>
 */
import type { TimerClock } from "./commit.ts";

export type Tag = string | number | undefined;

export function stateField(cell: number, key: string, subkey?: string): string {
  return subkey === undefined ? `${cell.toString(36)}:${key}` : `${cell.toString(36)};${key.length}:${key}${subkey}`;
}

export interface StateAddress {
  readonly cell: number;
  readonly key: string;
  readonly subkey: string | undefined;
}

/** undefined: it is no state field. */
export function parseStateField(field: string): StateAddress | undefined {
  let end = 0;
  for (let unit = field.charCodeAt(0); (unit >= 0x30 && unit <= 0x39) || (unit >= 0x61 && unit <= 0x7a); unit = field.charCodeAt(++end));
  const head = field.slice(0, end);
  const cell = Number.parseInt(head, 36);
  if (cell.toString(36) !== head) return undefined;
  if (field[end] === ":") return { cell, key: field.slice(end + 1), subkey: undefined };
  const colon = field.indexOf(":", end);
  const length = Number(field.slice(end + 1, colon));
  const key = field.slice(colon + 1, colon + 1 + length);
  const subkey = field.slice(colon + 1 + length);
  return field[end] === ";" && stateField(cell, key, subkey) === field ? { cell, key, subkey } : undefined;
}

export function timerMember(timer: number, tag: Tag, key: string): string {
  const text = tag === undefined ? "" : typeof tag === "number" ? `n${tag}` : `s${tag}`;
  return `${timer.toString(36)}:${text.length}:${text}${key}`;
}

export interface TimerAddress {
  readonly timer: number;
  readonly tag: Tag;
  readonly key: string;
}

export function parseTimerMember(member: string): TimerAddress {
  const first = member.indexOf(":");
  const second = member.indexOf(":", first + 1);
  const start = second + 1;
  const end = start + Number(member.slice(first + 1, second));
  const text = member.slice(start, end);
  const tag = text === "" ? undefined : text[0] === "n" ? Number(text.slice(1)) : text.slice(1);
  return { timer: Number.parseInt(member.slice(0, first), 36), tag, key: member.slice(end) };
}

/** As `parseTimerMember`; undefined: it is no timer member. */
export function timerAddressOf(member: string): TimerAddress | undefined {
  const address = parseTimerMember(member);
  return Number.isSafeInteger(address.timer) && timerMember(address.timer, address.tag, address.key) === member ? address : undefined;
}

/** What begins all state fields of a cell, all members of a timer, and all those of the timers by which a cell expires. */
export const statePrefixes = (cell: number): string[] => [stateField(cell, ""), `${cell.toString(36)};`];
export const timerPrefix = (timer: number): string => `${timer.toString(36)}:`;
export const expiryPrefix = (cell: number): string => timerMember(0, cell, "");

export const timerHold = (clock: TimerClock, member: string): string => (clock === "watermark" ? `t:${member}` : `w:${member}`);
export const keyHold = (key: string): string => `k:${key}`;
export const heldHold = (id: number): string => `h:${id}`;
