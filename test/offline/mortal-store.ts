/** A store whose user dies: from a chosen writing call on nothing reaches it, as if its process had been killed there. */
import type { OpenOptions, PipelineStore, Store } from "../../src/store/store.ts";

const WRITES: ReadonlySet<string> = new Set(["init", "acquire", "renew", "release", "commit", "register", "report"]);

export class Killed extends Error {}

export class MortalStore implements Store {
  readonly kind = "store";
  readonly #store: Store;
  readonly #at: number;
  readonly #applied: boolean;
  /** Writing calls so far. */
  calls = 0;

  /** It dies at its `at`-th writing call: before it is applied, or right after. */
  constructor(store: Store, at: number, applied: boolean) {
    this.#store = store;
    this.#at = at;
    this.#applied = applied;
  }

  /** For who reads beside: that does no harm. */
  get read(): unknown {
    const store = this.#store as Store & { read(options: unknown): unknown };
    return (options: unknown) => store.read(options);
  }
  get pipelines(): unknown {
    const store = this.#store as Store & { pipelines(clock: unknown): unknown };
    return (clock: unknown) => store.pipelines(clock);
  }

  async open(options: OpenOptions): Promise<PipelineStore> {
    const store = await this.#store.open(options);
    return new Proxy(store, {
      get: (of, name: keyof PipelineStore) => {
        const value = of[name];
        if (typeof value !== "function") return value;
        if (!WRITES.has(name)) return value.bind(of);
        return async (...args: unknown[]) => {
          this.calls += 1;
          const result: unknown =
            this.calls < this.#at || (this.calls === this.#at && this.#applied) ? await (value as (...all: unknown[]) => unknown).apply(of, args) : undefined;
          if (this.calls >= this.#at) throw new Killed(`at call ${this.#at}`);
          return result;
        };
      },
    });
  }
}
