/** The accessor of a cell that is one value: what `context.state(cell)` gives. Dead with its call. */
import { decodePlain, encodePlain } from "../computation/cbor-codec.ts";
import type { Codec } from "../computation/codec.ts";
import type { OptionalValue, Value, View } from "../computation/state.ts";
import type { Call } from "./call.ts";
import type { Cell } from "./key-state.ts";

export class ValueAccess<T> implements Value<T>, OptionalValue<T> {
  readonly #call: Call;
  readonly #cell: Cell;
  readonly #frozen: boolean;

  constructor(call: Call, cell: Cell, frozen: boolean) {
    this.#call = call;
    this.#cell = cell;
    this.#frozen = frozen;
  }

  get(): View<T> {
    this.#call.check();
    const value = this.#current();
    return (this.#frozen ? deepFreeze(value) : value) as View<T>;
  }

  set(value: View<T>): void {
    this.#call.check();
    if (value === undefined) {
      this.delete();
      return;
    }
    this.#cell.decoded = true;
    this.#cell.present = true;
    this.#cell.value = value;
    this.#call.wrote(this.#cell);
  }

  update(change: (value: T) => T | void): void {
    this.#call.check();
    const value = (this.#frozen ? this.#thawed() : this.#current()) as T;
    let next: T | void = value;
    try {
      next = change(value) ?? value;
    } finally {
      // Also where it throws and the handler goes on: what it has changed in place counts as written.
      this.set(next as View<T>);
    }
  }

  delete(): void {
    this.#call.check();
    const cell = this.#cell;
    cell.open();
    if (!cell.present && cell.bytes === undefined && !cell.dirty) return;
    cell.decoded = true;
    cell.present = false;
    cell.value = undefined;
    cell.expiresAt = undefined;
    this.#call.wrote(cell);
  }

  /** What the cell holds, or a copy of the initial value; the copy is kept, so that `update` may change it in place. */
  #current(): unknown {
    const cell = this.#cell;
    cell.open();
    if (cell.present && (cell.expiresAt === undefined || cell.expiresAt > this.#call.now())) return cell.value;
    cell.present = false;
    cell.value = initialOf(cell);
    return cell.value;
  }

  /** In tests what was read is frozen; a change in place gets a copy of its own. */
  #thawed(): unknown {
    const value = this.#current();
    if (typeof value !== "object" || value === null) return value;
    const { codec } = this.#cell.planned.node;
    return codec.decode(codec.encode(value), codec.version);
  }
}

function initialOf(cell: Cell): unknown {
  const { initial, codec } = cell.planned.node;
  if (typeof initial !== "object" || initial === null) return initial;
  return copies(initial, codec)();
}

const copiers = new WeakMap<object, () => unknown>();

/** Each new key's own copy of an initial value, by way of its codec, so that it is what a stored value would be. */
function copies(initial: object, codec: Codec<unknown>): () => unknown {
  const known = copiers.get(initial);
  if (known !== undefined) return known;
  const bytes = codec.encode(initial);
  const copy = () => codec.decode(bytes, codec.version);
  copiers.set(initial, copy);
  return copy;
}

/** Freezes plain data at all levels, so that a test finds a change that is never written back. */
export function deepFreeze(value: unknown): unknown {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  if (value instanceof Map || value instanceof Set) return decodePlain(encodePlain(value));
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
