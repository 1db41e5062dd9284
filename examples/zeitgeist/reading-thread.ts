/**
 * Reads row groups in a thread of its own, so that the pipeline's thread never stands still for the 300 ms that one takes.
 * This file is both sides: what asks, and, in the thread, what answers.
 */
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { type FlightRows, readRows, type ReadRows } from "./flight-table.ts";

interface Question {
  readonly id: number;
  readonly path: string;
  readonly first: number;
  readonly end: number;
}
interface Answer {
  readonly id: number;
  readonly rows?: FlightRows;
  readonly failure?: string;
}

/** MiB. Enough for a row group, whose values are objects at first; without limits the garbage would be let lie. */
const LIMITS = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 128 };

/** Starts the thread. It keeps the process alive only while it has something to read. */
export function readingThread(): ReadRows {
  const thread = new Worker(new URL(import.meta.url), { resourceLimits: LIMITS });
  const waiting = new Map<number, { readonly resolve: (rows: FlightRows) => void; readonly reject: (error: Error) => void }>();
  thread.on("message", ({ id, rows, failure }: Answer) => {
    if (rows === undefined) waiting.get(id)?.reject(new Error(failure));
    else waiting.get(id)?.resolve(rows);
    waiting.delete(id);
    if (waiting.size === 0) thread.unref();
  });
  thread.on("error", (error) => {
    for (const { reject } of waiting.values()) reject(error);
  });
  thread.unref();
  let questions = 0;
  return (path, first, end) =>
    new Promise((resolve, reject) => {
      const id = questions++;
      waiting.set(id, { resolve, reject });
      thread.ref();
      thread.postMessage({ id, path, first, end } satisfies Question);
    });
}

if (!isMainThread) {
  parentPort?.on("message", ({ id, path, first, end }: Question) => {
    readRows(path, first, end).then(
      (rows) => {
        const { departures, delays, distances, origins, destinations } = rows;
        parentPort?.postMessage({ id, rows } satisfies Answer, [
          departures.buffer,
          delays.buffer,
          distances.buffer,
          origins.buffer,
          destinations.buffer,
        ] as ArrayBuffer[]);
      },
      (error: unknown) => parentPort?.postMessage({ id, failure: String(error) } satisfies Answer),
    );
  });
}
