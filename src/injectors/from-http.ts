/**
 * The injector for what is posted to the worker's own HTTP server. How requests are read and answered is `src/http`, and
 * what waits between the two is `http-door.ts`.
 */
import type { Injector, InjectorOptions } from "../computation/edges.ts";
import { doorSource } from "./door-source.ts";

/**
 * Brings in what clients send to `POST /v1/streams/:stream/records` of the endpoint that `run(pipeline, { http: { port } })`
 * opens, and what `running.push` is given; `run` throws a ConfigError where there is no endpoint. A request is answered once
 * all its records are committed.
 *
 * `id`: by default the request's `Idempotency-Key`, else a CloudEvent's source and id, else a new one, by which nobody can
 * send the record again. `timestamp`: by default a CloudEvent's time, else the time of arrival.
 *
 * Defaults: `watermark` trailingClock(5_000), so that timers fire though nothing arrives, and what comes more than five
 * seconds after it happened is late; `maxAhead` and `idRetention` one hour.
 */
export function fromHttp<T>(options: InjectorOptions<T> = {}): Injector<T> {
  return doorSource("fromHttp", options);
}
