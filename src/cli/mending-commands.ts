/** `millrace reset` and `rewind`: a stopped pipeline does a part of its work again. What they do is in `src/offline`; here is what they print. */
import { type Dropped, reset, type ResetReport } from "../offline/reset.ts";
import { rewind, type RewindReport, type RewindTo } from "../offline/rewind.ts";
import { DONE, UsageError } from "./exit.ts";
import { loadPipeline } from "./load-pipeline.ts";
import { keptStoreOf, print, surroundings } from "./offline-commands.ts";
import { countText } from "./table.ts";

export interface ResetCommandOptions {
  readonly store: string;
  readonly pipeline?: string;
  readonly yes: boolean;
  readonly json: boolean;
}

export async function resetCommand(names: readonly string[], { store, json, ...options }: ResetCommandOptions): Promise<number> {
  const report = await reset({ ...surroundings, ...options, names, store: keptStoreOf(store) });
  print(json ? [JSON.stringify(report, undefined, 2)] : resetLines(report));
  return DONE;
}

export interface RewindCommandOptions {
  readonly store: string;
  readonly to: string;
  readonly reset?: readonly string[];
  readonly yes: boolean;
  readonly json: boolean;
}

export async function rewindCommand(file: string, injector: string, { store, to, json, reset: names = [], yes }: RewindCommandOptions): Promise<number> {
  const options = { ...surroundings, injector, to: placeOf(to), reset: names, yes, store: keptStoreOf(store) };
  const report = await rewind({ ...options, pipeline: await loadPipeline(file) });
  print(json ? [JSON.stringify(report, undefined, 2)] : rewindLines(report));
  return DONE;
}

const FORMS = 'start, a time as in 2026-11-22T10:00:00Z, or position:JSON as in position:{"offset":0}';

function placeOf(text: string): RewindTo {
  if (text === "start") return { kind: "start" };
  if (text.startsWith("position:")) {
    try {
      return { kind: "position", position: JSON.parse(text.slice("position:".length)) };
    } catch (error) {
      throw new UsageError(`--to ${text} is no JSON after the colon; give ${FORMS}`, { cause: error });
    }
  }
  const time = /^\d{4}-\d\d-\d\d(T.*(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new UsageError(`--to is ${text}; give ${FORMS}`);
  return { kind: "time", time };
}

function resetLines({ pipeline, store, done, dropped, downstream }: ResetReport): string[] {
  return [
    `${done ? "began anew" : "would begin anew"}, of pipeline ${pipeline} in ${store}:`,
    ...dropped.map(droppedLine),
    ...(downstream.length > 0 ? [`${downstream.join(", ")} ${downstream.length === 1 ? "keeps" : "keep"} what came of it so far`] : []),
    ...(done ? [] : [ADD_YES]),
  ];
}

const ADD_YES = "nothing was changed: give the command with --yes to do it";

function droppedLine({ name, kind, entries, processed }: Dropped): string {
  const { state, timers, queued, held, dead } = entries;
  const parts = [
    ...(kind === "computation" ? [`${countText(state)} values of state`, `${countText(timers)} timers`] : ["its checkpoint"]),
    ...(kind === "injector" ? [] : [`${countText(queued)} records that wait`, `${countText(held)} that stand aside`]),
    `${countText(dead)} dead letters`,
  ];
  return `  ${kind} ${name}: ${parts.join(", ")}, and what ${countText(processed)} records left behind`;
}

function rewindLines({ pipeline, store, done, resumed, injector, positions, dropped, again }: RewindReport): string[] {
  const places = positions.map((position) => (position === null ? "the beginning" : `after ${JSON.stringify(position)}`));
  const computations = again.filter(({ kind }) => kind === "computation").map(({ name }) => name);
  const sinks = again.filter(({ kind }) => kind === "sink").map(({ name }) => name);
  return [
    `injector ${injector} of pipeline ${pipeline} in ${store} ${done ? "reads on" : "would read on"} from ${places.join(", ")}${resumed ? ", as the command before said" : ""}`,
    ...(dropped.length > 0 ? [done ? "began anew:" : "would begin anew:", ...dropped.map(droppedLine)] : []),
    ...(computations.length > 0
      ? [
          `${computations.join(", ")} ${computations.length === 1 ? "keeps its" : "keep their"} state and would count these records again, most of them as late: give --reset ${computations.join(" --reset ")} too, unless they can bear it`,
        ]
      : []),
    ...(sinks.length > 0 ? [`${sinks.join(", ")} will be given results again, after those that ${sinks.length === 1 ? "it has" : "they have"}`] : []),
    ...(done ? [] : [ADD_YES]),
  ];
}
