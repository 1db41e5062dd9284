/**
 * Commit calls under way. A call whose outcome is unknown goes again with the same bytes until there is one (E1).
 *
 * To each atomic domain one waits for its answer: a second would find a store that still has the first to do, and the batches of
 * both would be smaller. While one waits to be sent again, one more may go, so that no call keeps others back for good.
 */
import type { Commit } from "../store/index.ts";

const CALLS = 2;
const RESEND_FIRST = 20;
const RESEND_MOST = 1_000;

export interface CommitCounts {
  calls: number;
  commits: number;
  resends: number;
  largestCall: number;
}

interface CallUnderWay {
  readonly domain: number;
  readonly commits: readonly Commit[];
  tries: number;
  resendAt: number;
}

export class CommitCalls {
  readonly #calls = new Map<number, CallUnderWay>();
  #next = 1;
  readonly counted: CommitCounts = { calls: 0, commits: 0, resends: 0, largestCall: 0 };

  get none(): boolean {
    return this.#calls.size === 0;
  }
  /** Has this domain as many as it may have? */
  full(domain: number): boolean {
    let under = 0;
    for (const call of this.#calls.values()) {
      if (call.domain !== domain) continue;
      if (call.resendAt === Number.POSITIVE_INFINITY || ++under >= CALLS) return true;
    }
    return false;
  }

  /** A call to a domain. Gives the number under which it is answered. */
  begin(domain: number, commits: readonly Commit[]): number {
    const call = this.#next++;
    this.#calls.set(call, { domain, commits, tries: 0, resendAt: Number.POSITIVE_INFINITY });
    this.counted.calls++;
    this.counted.commits += commits.length;
    this.counted.largestCall = Math.max(this.counted.largestCall, commits.length);
    return call;
  }

  /** The call was answered: what it had; undefined if it is of no interest any more. */
  end(call: number): readonly Commit[] | undefined {
    const commits = this.#calls.get(call)?.commits;
    this.#calls.delete(call);
    return commits;
  }

  /** No outcome is known. */
  failed(call: number, now: number): void {
    const under = this.#calls.get(call);
    if (under === undefined) return;
    under.resendAt = now + Math.min(RESEND_FIRST * 2 ** under.tries, RESEND_MOST);
    under.tries++;
  }

  /** Calls to send again now. */
  resend(now: number): { readonly call: number; readonly commits: readonly Commit[] }[] {
    const again: { call: number; commits: readonly Commit[] }[] = [];
    for (const [call, under] of this.#calls) {
      if (under.resendAt > now) continue;
      under.resendAt = Number.POSITIVE_INFINITY;
      this.counted.resends++;
      again.push({ call, commits: under.commits });
    }
    return again;
  }

  wakeAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const { resendAt } of this.#calls.values()) at = Math.min(at, resendAt);
    return at;
  }

  /** Their outcomes no longer matter: everything is acquired anew. */
  forget(): void {
    this.#calls.clear();
  }
}
