/**
 * What `millrace run` says of itself, on standard error, for standard output is the pipeline's own: lines for people, or, with
 * `--json`, one object a line.
 */
import type { Progress } from "./progress.ts";

/** One of: a line for people; how far it is; how it has ended; why it could not go on. `worker`: of `--workers`, which. */
export interface Said {
  readonly worker?: number;
  readonly text?: string;
  readonly progress?: SaidProgress;
  readonly ended?: { readonly how: string; readonly ms: number } & SaidProgress;
  readonly error?: { readonly message: string; readonly exitCode: number };
}

interface SaidProgress {
  readonly participants: readonly object[];
}

export function tell(said: Said, worker: string | undefined): void {
  process.stderr.write(`${JSON.stringify(worker === undefined ? said : { worker: Number(worker), ...said })}\n`);
}

/** `label`: at the beginning of every line for people. */
export function saying(json: boolean, label: string, worker?: string): (line: string) => void {
  return json ? (line) => tell({ text: line }, worker) : (line) => void process.stderr.write(`${label}${line}\n`);
}

/** Counts are those of this process; watermarks as `/v1/watermarks` has them. */
export function progressOfAll({ participants }: Progress): SaidProgress {
  return {
    participants: participants.map(({ watermarks: { name, kind, status, input, output, lag }, counters, rate, queued }) => ({
      name,
      kind,
      status,
      input,
      output,
      lag,
      rate,
      queued,
      ...counters,
    })),
  };
}
