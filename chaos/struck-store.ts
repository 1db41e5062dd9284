/**
 * A store whose commits can be struck: at the next one that is made, or on its way, the process says what it holds and
 * raises a signal against itself. So a fault hits a batch that is not committed, not an idle moment. It changes no call.
 */
import type { Commit, CommitReply, OpenOptions, PipelineStore, Store } from "../src/store/index.ts";
import type { ShardRef } from "../src/key.ts";
import type { Telling } from "./orders.ts";

/** ms after a commit has gone out within which a kill may come; most are answered by then. */
const ON_ITS_WAY = 2;

export class StruckStore implements Store {
  readonly kind = "store";
  readonly #inner: Store;
  readonly #tell: (telling: Telling) => void;
  readonly #held: () => readonly ShardRef[];
  #signal: "SIGKILL" | "SIGSTOP" | undefined = undefined;
  #unknown = false;

  /** `held`: the shards that are the worker's. */
  constructor(inner: Store, held: () => readonly ShardRef[], tell: (telling: Telling) => void) {
    this.#inner = inner;
    this.#held = held;
    this.#tell = tell;
  }

  strike(signal: "SIGKILL" | "SIGSTOP"): void {
    this.#signal = signal;
  }

  async open(options: OpenOptions): Promise<PipelineStore> {
    const opened = await this.#inner.open(options);
    const commit = (commits: readonly Commit[]): Promise<CommitReply> => this.#commit(opened, commits);
    return new Proxy(opened, {
      get: (target, name) => {
        if (name === "commit") return commit;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }

  async #commit(store: PipelineStore, commits: readonly Commit[]): Promise<CommitReply> {
    let stopped = false;
    if (this.#signal === "SIGSTOP" || (this.#signal === "SIGKILL" && Math.random() < 0.5)) stopped = this.#raise(commits);
    const answer = store.commit(commits);
    let open = true;
    if (this.#signal === "SIGKILL") setTimeout(() => open && this.#raise(commits), Math.random() * ON_ITS_WAY);
    try {
      const reply = await answer;
      if (stopped) this.#tell({ woken: reply.outcomes.map(String), at: Date.now() });
      if (this.#unknown) this.#tell({ answered: Date.now(), settled: reply.outcomes.filter((outcome) => outcome === "already").length });
      this.#unknown = false;
      return reply;
    } catch (error) {
      if (stopped) this.#tell({ woken: ["unknown"], at: Date.now() });
      this.#unknown = true;
      this.#tell({ unknown: Date.now(), commits: commits.length, why: String(error) });
      throw error;
    } finally {
      open = false;
    }
  }

  /** True: it was stopped, and goes on. */
  #raise(commits: readonly Commit[]): boolean {
    const signal = this.#signal;
    const held = this.#held();
    if (signal === undefined || held.length === 0) return false;
    this.#signal = undefined;
    // What is written to a pipe is in it when the call is back.
    this.#tell({ struck: signal, held, commits: commits.length, at: Date.now() });
    process.kill(process.pid, signal);
    return true;
  }
}
