/** The sources whose records are handed in: by requests over HTTP, or by the program itself. Owns what the two have in common. */
import { type Injector, type InjectorOptions, injector } from "../computation/edges.ts";
import { seconds } from "../time.ts";
import { trailingClock } from "../watermark/trailing-clock.ts";
import { HttpDoor } from "./http-door.ts";
import type { InjectorSource } from "./injector.ts";
import { injectorSettings } from "./injector-settings.ts";

interface DoorSource extends InjectorSource {
  readonly door: HttpDoor;
  /** Does it take what clients post, or only what the program pushes? */
  readonly posted: boolean;
}

/** `maker`: the name of the function, for what is wrong with the options. */
export function doorSource<T>(maker: "fromHttp" | "fromPush", options: InjectorOptions<T>): Injector<T> {
  const settings = injectorSettings(maker, options, { own: [], identified: true, watermark: trailingClock(seconds(5)) });
  const door = new HttpDoor();
  const posted = maker === "fromHttp";
  const source: DoorSource = {
    kind: "injector",
    description: posted ? "HTTP" : "pushes",
    partitions: 1,
    ...settings,
    id: settings.id ?? "item",
    confirms: true,
    // Who hands records in is told at once what is wrong (`http/intake.ts`).
    validatesItself: true,
    door,
    posted,
    open: (context) => Promise.resolve(door.open(context)),
  };
  return injector<T>(source);
}

/** The source as one whose records are handed in; undefined: it is another. */
export function doorOf(source: InjectorSource): { readonly door: HttpDoor; readonly posted: boolean } | undefined {
  return "door" in source && source.door instanceof HttpDoor ? (source as DoorSource) : undefined;
}
