/**
 * The runner that performs effects in the worker's own process. The engine keeps their limits, waits between attempts
 * and counts them; this makes one call, and ends its wait at the time limit.
 */
import type { Clock } from "../clock.ts";
import { InvalidUseError } from "../errors.ts";
import type { EffectOutcome, EffectRunner, Effects, EffectTask } from "./effects.ts";

/** What `run` takes where it is told of no other. */
export const inProcess: Effects = {
  kind: "effects",
  description: "in process",
  open: ({ clock }) => Promise.resolve(new InProcessRunner(clock)),
};

class InProcessRunner implements EffectRunner {
  readonly limited = true;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async perform(task: EffectTask): Promise<EffectOutcome> {
    const value = await performOnce(task, this.#clock);
    return { kind: "performed", value, attempts: task.attempt };
  }

  async close(): Promise<void> {}
}

/** One call of the user's function. Rejects where it fails, takes too long, or is not wanted any more. */
export async function performOnce({ settings, record, idempotencyKey, attempt, signal }: EffectTask, clock: Clock): Promise<unknown> {
  const abort = new AbortController();
  let cancel = () => {};
  const end = new Promise<never>((_resolve, reject) => {
    const stop = (reason: Error) => {
      abort.abort(reason);
      reject(reason);
    };
    cancel = clock.after(settings.timeLimit, () =>
      stop(new InvalidUseError(`effect "${settings.name}" took longer than its timeLimit of ${settings.timeLimit} ms`)),
    );
    const given = () => stop(new InvalidUseError(`effect "${settings.name}" was given up: its worker stops or has lost the shard`));
    if (signal.aborted) given();
    else signal.addEventListener("abort", given, { once: true });
  });
  try {
    const performed = (async () => settings.perform(record, { idempotencyKey, attempt, signal: abort.signal }))();
    performed.catch(() => {});
    return await Promise.race([performed, end]);
  } finally {
    end.catch(() => {});
    cancel();
  }
}
