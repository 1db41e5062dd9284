/** What the supervisor and its workers tell one another, and where a run keeps its files. */
import { join } from "node:path";
import type { Point } from "./struck-store.ts";

/** What a worker is started with. */
export interface Orders {
  /** Durable name of the pipeline. */
  readonly name: string;
  /** "lmdb", "memory" or the URL of a Redis server. */
  readonly store: string;
  readonly directory: string;
  readonly limit: number | undefined;
  /** Of the HTTP endpoint; 0: any free one. */
  readonly port: number;
  /** Stop there, to be killed, when one of `parts` parts of what the workers before it (`handed`) left has been read in. */
  readonly strike: { readonly point: Point; readonly handed: number; readonly parts: number } | undefined;
}

/** What a worker says. "stop" is all that is said to it: commit what was begun, and end. */
export type Report =
  | { readonly kind: "running"; readonly url: string; readonly flights: number }
  /** Shards were taken over with this many records in their inboxes. */
  | { readonly kind: "recovered"; readonly waiting: number }
  | { readonly kind: "memory"; readonly peakRssMiB: number }
  /** `handed`: flights that the engine has been given since this worker's start. */
  | { readonly kind: "reached"; readonly point: Point; readonly waiting: number; readonly handed: number }
  | { readonly kind: "finished"; readonly handed: number; readonly peakRssMiB: number }
  | { readonly kind: "failed"; readonly message: string };

export const storePath = (directory: string): string => join(directory, "store");
export const windowsPath = (directory: string): string => join(directory, "windows.ndjson");
export const anomaliesPath = (directory: string): string => join(directory, "anomalies.ndjson");
