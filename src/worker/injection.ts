/** What the open batch of an injector's shard has gathered, and how it puts aside what it refuses. Knows nothing of when it is sealed. */
import type { Codec } from "../computation/codec.ts";
import { sealValue } from "../computation/envelope.ts";
import { refusalOfId } from "../dedup/client-id.ts";
import { messageOf } from "../errors.ts";
import type { InjectorSource, SourceItem } from "../injectors/injector.ts";
import type { Numbered, TakenId } from "../store/index.ts";
import { BEGINNING, END } from "../time.ts";
import { refusedAtTheDoor } from "./held.ts";
import type { Production } from "./parcel.ts";

/** An item as it waits to be injected, where more is known of it than it says itself. */
export class Prepared {
  readonly item: SourceItem;
  readonly id: string | undefined;
  readonly duplicate: boolean;
  readonly refused: string | undefined;

  constructor(item: SourceItem, id: string | undefined, duplicate: boolean, refused: string | undefined) {
    this.item = item;
    this.id = id;
    this.duplicate = duplicate;
    this.refused = refused;
  }
}

export class Injection {
  /** Those that are not handed over ahead, in order, and how many there are with those that are. */
  productions: Production[] = [];
  produced = 0;
  items = 0;
  bytes = 0;
  ids: TakenId[] = [];
  dead: Numbered[] = [];
  processed = 0;
  duplicates = 0;
  /** The checkpoint is worth a commit, though there is no item. */
  changed = false;
}

export interface Checkpoint {
  readonly position: unknown;
  readonly estimate: unknown;
  readonly done: boolean;
}

/** The id by which a second delivery of this item is known, or why it has none that can be. */
export function givenId({ id: idOf }: InjectorSource, item: SourceItem): { readonly id: string | undefined; readonly refused: string | undefined } {
  if (idOf === undefined || item.mark || item.failure !== undefined) return { id: undefined, refused: undefined };
  try {
    const id: unknown = typeof idOf === "function" ? idOf(item.value) : item.id;
    const refused = refusalOfId(id);
    return { id: refused === undefined ? (id as string) : undefined, refused };
  } catch (error) {
    return { id: undefined, refused: `id failed: ${messageOf(error)}` };
  }
}

/** Is each id taken once, by those that are stored, or are ids the records' names and nothing more? */
export const deduplicates = ({ id, deduplicate }: InjectorSource): boolean => id !== undefined && deduplicate !== false;

/** Ids of records below this may have been forgotten, where the injector's watermark is at `input`. */
export const forgottenBelow = ({ idRetention }: InjectorSource, input: number): number =>
  input === BEGINNING || input === END ? BEGINNING : input - idRetention;

/** A record whose id may have been forgotten is never taken as new. */
export function refuseAge(source: InjectorSource, timestamp: number, input: number): string | undefined {
  if (!deduplicates(source) || timestamp >= forgottenBelow(source, input)) return undefined;
  return `its timestamp ${timestamp} is more than ${source.idRetention} ms behind the injector's watermark: its id may have been forgotten, so it cannot be known to be new`;
}

/** Text kept of an item that could not be read. */
const RAW_TEXT = 65_536;

/** The dead letter of an item: with its value as far as that can be stored. */
export function refusedBytes(
  codec: Codec<unknown>,
  item: SourceItem,
  letter: { readonly id: string | undefined; readonly timestamp: number; readonly reason: string; readonly at: number },
): Uint8Array {
  let value: Uint8Array | undefined;
  try {
    value = item.failure !== undefined ? Buffer.from(String(item.value).slice(0, RAW_TEXT)) : sealValue(codec, item.value);
  } catch {
    value = undefined;
  }
  return refusedAtTheDoor({ value, ...letter });
}
