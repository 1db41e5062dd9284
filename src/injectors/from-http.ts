/**
 * The injector for what is posted to the worker's own HTTP server. Owns the source; how requests are read and answered
 * is `src/http`, and what waits between the two is `http-door.ts`.
 */
import { type Injector, type InjectorOptions, injector } from "../computation/edges.ts";
import { seconds } from "../time.ts";
import { trailingClock } from "../watermark/trailing-clock.ts";
import { HttpDoor } from "./http-door.ts";
import type { InjectorSource } from "./injector.ts";
import { injectorSettings } from "./injector-settings.ts";

interface HttpSource extends InjectorSource {
  readonly door: HttpDoor;
}

/**
 * Brings in what clients send to `POST /v1/streams/:stream/records` of the endpoint that `run(pipeline, { http: { port } })`
 * opens; `run` throws a ConfigError where there is none. A request is answered once all its records are committed.
 *
 * `id`: by default the request's `Idempotency-Key`, else a CloudEvent's source and id, else a new one, by which nobody can
 * send the record again. `timestamp`: by default a CloudEvent's time, else the time of arrival.
 *
 * Defaults: `watermark` trailingClock(5_000), so that timers fire though nothing arrives, and what comes more than five
 * seconds after it happened is late; `maxAhead` and `idRetention` one hour.
 */
export function fromHttp<T>(options: InjectorOptions<T> = {}): Injector<T> {
  const settings = injectorSettings("fromHttp", options, { own: [], identified: true, watermark: trailingClock(seconds(5)) });
  const door = new HttpDoor();
  const source: HttpSource = {
    kind: "injector",
    description: "HTTP",
    partitions: 1,
    ...settings,
    id: settings.id ?? "item",
    confirms: true,
    // Who posts is told at once what is wrong (`http/intake.ts`).
    validatesItself: true,
    door,
    open: (context) => Promise.resolve(door.open(context)),
  };
  return injector<T>(source);
}

/** The door of a source that `fromHttp` made; undefined: it is another. */
export function doorOf(source: InjectorSource): HttpDoor | undefined {
  return "door" in source && source.door instanceof HttpDoor ? source.door : undefined;
}
