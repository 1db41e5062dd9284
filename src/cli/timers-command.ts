/** `millrace timers`: pending timers, and what operators may do with one. */
import type { Command } from "commander";
import type { Endpoint } from "../inspect/endpoint.ts";
import { timeText } from "../inspect/times.ts";
import type { TimerOutcomeView, TimersView, TimerView } from "../inspect/views.ts";
import { DONE, UsageError } from "./exit.ts";
import { asking, cellText, endpointOf, limitOf, print, type RemoteOptions, timeOf } from "./remote.ts";
import { tableLines } from "./table.ts";

interface ListOptions extends RemoteOptions {
  readonly key?: string;
  readonly clock?: "watermark" | "wall";
  readonly limit?: number;
}
interface ActOptions extends RemoteOptions {
  readonly tag?: string;
}
type Act = (asked: Endpoint, timer: TimerView) => Promise<TimerOutcomeView>;

/** `ended`: told the exit code. */
export function addTimersCommand(program: Command, ended: (code: number) => void): void {
  const timers = program.command("timers").description("Shows pending timers; moves, fires or deletes one. Those three need a token of scope operate.");
  const list = timers
    .command("list", { isDefault: true })
    .description("The earliest pending timers.")
    .argument("[computation]")
    .option("--key <key>", "of this key alone; needs a computation")
    .option("--clock <clock>", "watermark or wall")
    .option("--limit <n>", "so many, 1 to 1000 (default 100)", limitOf);
  asking(list).action(async (computation: string | undefined, options: ListOptions) => {
    const { key, clock, limit } = options;
    print(await endpointOf(options).timers({ computation, key, clock, limit }), options, timerLines);
    ended(DONE);
  });
  const acting = (name: string, description: string): Command =>
    asking(timers.command(name).description(description).argument("<computation>").argument("<key>").argument("<timer>", "its name in the code")).option(
      "--tag <tag>",
      "of a tagged timer",
    );
  const act = async (place: readonly [string, string, string], options: ActOptions, how: Act): Promise<void> => {
    const asked = endpointOf(options);
    print(await how(asked, await timerOf(asked, place, options.tag)), options, ({ outcome }) => [`${place[2]} of key ${cellText(place[1])} is ${outcome}`]);
    ended(DONE);
  };
  acting("move", "Moves a timer to another time.")
    .requiredOption("--to <time>", "ms since the epoch, or a date", timeOf)
    .action(async (computation: string, key: string, timer: string, options: ActOptions & { readonly to: number }) =>
      act([computation, key, timer], options, (asked, found) => asked.moveTimer(found, options.to)),
    );
  acting("fire", "Fires a timer now, before its time; its handler sees the time that it was set for.").action(
    async (computation: string, key: string, timer: string, options: ActOptions) =>
      act([computation, key, timer], options, (asked, found) => asked.fireTimer(found)),
  );
  acting("delete", "Deletes a timer.").action(async (computation: string, key: string, timer: string, options: ActOptions) =>
    act([computation, key, timer], options, (asked, found) => asked.deleteTimer(found)),
  );
}

async function timerOf(asked: Endpoint, [computation, key, name]: readonly [string, string, string], tag: string | undefined): Promise<TimerView> {
  const { timers } = await asked.timers({ computation, key, limit: 1_000 });
  const named = timers.filter((timer) => timer.name === name && (tag === undefined || String(timer.tag) === tag));
  const [found, another] = named;
  if (found === undefined)
    throw new UsageError(`key ${JSON.stringify(key)} of ${computation} has no timer ${name}${tag === undefined ? "" : ` with tag ${tag}`} that is set`);
  if (another === undefined) return found;
  throw new UsageError(`key ${JSON.stringify(key)} has several of them: give --tag, one of ${named.map((timer) => String(timer.tag)).join(", ")}`);
}

function timerLines({ timers, total }: TimersView): string[] {
  if (timers.length === 0) return ["no timer is set"];
  const columns = [{ title: "time" }, { title: "clock" }, { title: "computation" }, { title: "key" }, { title: "timer" }, { title: "tag" }, { title: "holds" }];
  const rows = timers.map(({ time, clock, computation, key, name, tag, holds }) => [
    timeText(time),
    clock,
    computation,
    cellText(key),
    name,
    tag === null ? "" : cellText(String(tag)),
    holds === null ? "" : holds === time ? "at its time" : timeText(holds),
  ]);
  return [...tableLines(columns, rows), ...(total > timers.length ? ["", `${timers.length} of ${total}`] : [])];
}
