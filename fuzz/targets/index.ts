/** All targets by name, made when they are asked for. */
import type { TargetMaker } from "../target.ts";
import { httpTarget } from "./http.ts";
import { bodyTargets } from "./bodies.ts";
import { sourceTargets } from "./sources.ts";
import { storedTargets } from "./stored.ts";

export const targets: ReadonlyMap<string, TargetMaker> = new Map<string, TargetMaker>([
  ...[...storedTargets, ...bodyTargets].map((target): [string, TargetMaker] => [target.name, () => target]),
  ...sourceTargets,
  ["http", httpTarget],
]);
