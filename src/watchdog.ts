/**
 * The watchdog: a thread that sees when user code keeps the process from doing anything else, as an endless loop does,
 * says which computation, key and line of code it is, and ends the process, so that another worker goes on. What becomes of
 * the work itself is decided by those that take over (`worker/guarded-shard.ts`).
 *
 * W1  Only the time that the watchdog itself was awake counts: a machine that slept, or a process that was stopped, has
 *     not stalled.
 * W2  It ends the process only where a computation's handler is on the stack. Other code is not ours to judge: where that
 *     stands still, it says so, once.
 * W3  Until the process has stalled it costs a timer on either side, and no call of user code is slower for it.
 * W4  Its thread has the one clock that is not `src/clock.ts`: that lives in the process that stands still.
 */
import { url as inspectorUrl } from "node:inspector";
import { Worker } from "node:worker_threads";
import type { Clock } from "./clock.ts";

export interface Watchdog {
  close(): Promise<void>;
}

interface Orders {
  /** One counter, raised by the process as long as it lives. */
  readonly beats: SharedArrayBuffer;
  /** ms between looks, and without a beat until the process has stalled. */
  readonly every: number;
  readonly limit: number;
}

const MEMORY_MIB = 16;

/** undefined: someone has a debugger on the process, in which it may stand still for hours. */
export function watchProcess(clock: Clock, limit: number): Watchdog | undefined {
  if (inspectorUrl() !== undefined) return undefined;
  const every = Math.max(10, Math.min(1_000, Math.floor(limit / 8)));
  const beats = new SharedArrayBuffer(4);
  const counter = new Int32Array(beats);
  let cancel = (): void => {};
  const beat = (): void => {
    Atomics.add(counter, 0, 1);
    cancel = clock.after(every, beat);
  };
  beat();
  const orders: Orders = { beats, every, limit };
  // Its code is in this file, whatever becomes of this file in a bundle or under a loader.
  const thread = new Worker(`(${watch.toString()})(require)`, { eval: true, workerData: orders, resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB } });
  thread.unref();
  thread.on("error", cancel);
  return {
    close: async () => {
      cancel();
      await thread.terminate();
    },
  };
}

/** What the thread does. It may use nothing of this module: only its text gets there. */
function watch(load: NodeJS.Require): void {
  const { workerData } = load("node:worker_threads") as typeof import("node:worker_threads");
  const { writeSync } = load("node:fs") as typeof import("node:fs");
  const { Session } = load("node:inspector") as typeof import("node:inspector");
  type Frame = import("node:inspector").Debugger.CallFrame;
  const { beats, every, limit } = workerData as Orders;
  const counter = new Int32Array(beats);
  const seconds = `${limit / 1_000} s`;
  let last = -1;
  let silent = 0;
  let told = false;
  const files = new Map<string, string>();
  setInterval(() => {
    const now = Atomics.load(counter, 0);
    silent = now === last ? silent + every : 0;
    last = now;
    if (silent === 0) told = false;
    if (silent < limit || told) return;
    told = true;
    lookInto();
  }, every);

  /** Pauses the process where it stands, and looks at its stack. */
  function lookInto(): void {
    const session = new Session();
    session.connectToMainThread();
    session.once("Debugger.paused", ({ params }) => {
      void judge(session, params.callFrames).then((ended) => {
        if (!ended) session.post("Debugger.resume", () => session.disconnect());
      });
    });
    session.on("Debugger.scriptParsed", ({ params }) => files.set(params.scriptId, params.url));
    session.post("Debugger.enable");
    session.post("Debugger.pause");
  }

  async function judge(session: import("node:inspector").Session, frames: readonly Frame[]): Promise<boolean> {
    const top = frames.find(({ url }) => !url.startsWith("node:"));
    const place = top === undefined ? "" : placeOf(top);
    // The engine's own call knows the computation's name; after an await there is none.
    for (const frame of [...frames.filter(({ functionName }) => functionName === "#call"), ...frames]) {
      const found = await evaluate(session, frame);
      if (found === undefined) continue;
      writeSync(2, `error: computation "${found[0]}", key ${JSON.stringify(found[1])}: its handler has kept the process busy for ${seconds}${place}; `);
      writeSync(2, "the process ends, so that another worker can go on\n");
      process.kill(process.pid, "SIGKILL");
      return true;
    }
    writeSync(2, `warn: the process has done nothing else for ${seconds}${place}, which is no handler of a computation; it goes on\n`);
    return false;
  }

  function placeOf({ functionName, location }: Frame): string {
    const file = files.get(location.scriptId);
    return `, in ${functionName || "a function"}${file ? ` (${file}:${location.lineNumber + 1})` : ""}`;
  }

  /** The computation and the key, where the frame is the engine's call of a handler, or the rest of a handler after an await. */
  function evaluate(session: import("node:inspector").Session, { callFrameId, functionName }: Frame): Promise<readonly [string, string] | undefined> {
    const expressions: Readonly<Record<string, string>> = {
      "#call": "JSON.stringify([this.name, call.key])",
      processRecord: "JSON.stringify([this.constructor.name, arguments[1].key])",
      processTimer: "JSON.stringify([this.constructor.name, arguments[1].key])",
    };
    const expression = expressions[functionName];
    if (expression === undefined) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      session.post("Debugger.evaluateOnCallFrame", { callFrameId, expression, returnByValue: true }, (error, answer) => {
        const value: unknown = error === null ? answer?.result?.value : undefined;
        resolve(typeof value === "string" ? (JSON.parse(value) as [string, string]) : undefined);
      });
    });
  }
}
