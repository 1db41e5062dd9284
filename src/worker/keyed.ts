/** What the engine asks of an instance of user code. Made by `instances.ts`. */
import type { Computation } from "../computation/computation.ts";
import type { Gate } from "./gate.ts";
import type { HotKeys } from "./hot-keys.ts";
import type { PlannedStream } from "./plan.ts";

/** One worker's instance of a computation, and what its handles stand for. */
export interface Keyed {
  readonly instance: Computation;
  /** Limits on its calls, of all shards together; undefined: there are none. */
  readonly gate: Gate | undefined;
  /** Of all shards that this worker has had. */
  readonly hotKeys: HotKeys;
  /** Stored id of an input's handle. */
  inputOf(handle: object): number | undefined;
  /** Place in `planned.cells`, `.timers`; the stream of an output. */
  cellOf(handle: object): number | undefined;
  timerOf(handle: object): number | undefined;
  /** Stored id of a timer's or family's handle. */
  timerIdOf(handle: object): number | undefined;
  streamOf(handle: object): PlannedStream | undefined;
}
