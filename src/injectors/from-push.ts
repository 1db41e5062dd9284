/** The injector for what the program itself hands in by `running.push`: `fromHttp` without a route for others. */
import type { Injector, InjectorOptions } from "../computation/edges.ts";
import { doorSource } from "./door-source.ts";

/**
 * Brings in what the process that runs the pipeline gives to `running.push(stream, value)`, and takes nothing over HTTP
 * but what other workers of the pipeline pass on. It needs no endpoint where one worker runs; of several, each needs one.
 *
 * `id`: by default that of `push`, else a new one. `timestamp`: by default that of `push`, else the time of arrival. The other
 * defaults are those of `fromHttp`: `watermark` trailingClock(5_000), `maxAhead` and `idRetention` one hour.
 */
export function fromPush<T>(options: InjectorOptions<T> = {}): Injector<T> {
  return doorSource("fromPush", options);
}
