/** A store whose calls can be made to wait, as a slow network would, and go on in their order. */
import type { OpenOptions, PipelineStore, Store } from "../../src/store/store.ts";

type Call = keyof PipelineStore;

export class GatedStore implements Store {
  readonly kind = "store";
  readonly #inner: Store;
  readonly #closed = new Map<Call, { readonly waiting: Promise<void>; readonly release: () => void }>();
  /** Calls that have come so far. */
  readonly counted = new Map<Call, number>();

  constructor(inner: Store) {
    this.#inner = inner;
  }

  /** Calls wait from now on. */
  shut(call: Call): void {
    let release = () => {};
    const waiting = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#closed.set(call, { waiting, release });
  }

  /** Calls that wait go on, and later ones do not wait. */
  release(call: Call): void {
    this.#closed.get(call)?.release();
    this.#closed.delete(call);
  }

  async open(options: OpenOptions): Promise<PipelineStore> {
    const store = await this.#inner.open(options);
    return new Proxy(store, {
      get: (target, name: Call) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name === "domainOf" || name === "sent") return value.bind(target) as unknown;
        return async (...given: unknown[]): Promise<unknown> => {
          this.counted.set(name, (this.counted.get(name) ?? 0) + 1);
          await this.#closed.get(name)?.waiting;
          return (value as (...given: unknown[]) => unknown).apply(target, given);
        };
      },
    });
  }
}
