/** `millrace dead-letters`: what was given up, why, and what operators may do with it. */
import { type Command } from "commander";
import { type Endpoint, EndpointError } from "../inspect/endpoint.ts";
import { timeText } from "../inspect/times.ts";
import type { DeadLettersView, LetterView, WholeLetterView } from "../inspect/views.ts";
import { DONE, FAILED, UsageError } from "./exit.ts";
import { asking, cellText, endpointOf, limitOf, print, type RemoteOptions } from "./remote.ts";
import { tableLines } from "./table.ts";

interface ListOptions extends RemoteOptions {
  readonly limit?: number;
}
interface BulkOptions extends RemoteOptions {
  readonly all?: boolean;
}

/** What became of each letter that was named. */
interface Acted {
  readonly done: readonly LetterView[];
  readonly failed: readonly { readonly participant: string; readonly letter: string; readonly error: string }[];
}

/** Letters that are asked for at once. */
const PAGE = 1_000;

/** `ended`: told the exit code. */
export function addDeadLettersCommand(program: Command, ended: (code: number) => void): void {
  const letters = program.command("dead-letters").description("Shows what was given up and why; has it tried again, or discards it.");
  const list = letters
    .command("list", { isDefault: true })
    .description("The latest dead letters.")
    .argument("[participant]")
    .option("--limit <n>", "so many, 1 to 1000 (default 100)", limitOf);
  asking(list).action(async (participant: string | undefined, options: ListOptions) => {
    print(await endpointOf(options).deadLetters({ participant, limit: options.limit }), options, letterLines);
    ended(DONE);
  });
  const show = letters
    .command("show")
    .description("One with its value. Needs a token of scope read.")
    .argument("<participant>")
    .argument("<letter>", "its name, as it is listed");
  asking(show).action(async (participant: string, letter: string, options: RemoteOptions) => {
    print(await endpointOf(options).deadLetter(participant, letter), options, wholeLines);
    ended(DONE);
  });
  const bulk = (name: string, description: string, act: (asked: Endpoint, participant: string, letter: string) => Promise<LetterView>): void => {
    const command = letters
      .command(name)
      .description(`${description} Needs a token of scope operate. Exit code 1: some could not be.`)
      .argument("<participant>")
      .argument("[letters...]", "their names, as they are listed")
      .option("--all", "all of the participant");
    asking(command).action(async (participant: string, named: readonly string[], options: BulkOptions) => {
      if (named.length > 0 === (options.all === true)) throw new UsageError(`give the letters to ${name}, or --all`);
      const asked = endpointOf(options);
      const acted = options.all === true ? await actOnAll(asked, participant, act) : await actOn(asked, participant, named, act);
      print(acted, options, actedLines);
      ended(acted.failed.length === 0 ? DONE : FAILED);
    });
  };
  bulk("retry", "Has dead letters tried again, from their first attempt.", (asked, participant, letter) => asked.retryDeadLetter(participant, letter));
  bulk("discard", "Discards dead letters for good.", (asked, participant, letter) => asked.discardDeadLetter(participant, letter));
}

type Act = (asked: Endpoint, participant: string, letter: string) => Promise<LetterView>;

/** One after the other; one that cannot be keeps none of the others from it, but for an endpoint that does not answer. */
async function actOn(asked: Endpoint, participant: string, letters: readonly string[], act: Act): Promise<Acted> {
  const done: LetterView[] = [];
  const failed: Acted["failed"][number][] = [];
  for (const letter of letters) {
    try {
      done.push(await act(asked, participant, letter));
    } catch (error) {
      if (!(error instanceof EndpointError) || error.status === undefined || error.status === 401 || error.status === 403) throw error;
      failed.push({ participant, letter, error: error.message });
    }
  }
  return { done, failed };
}

/** Those that there are when they are listed: what fails again meanwhile is another one. */
async function actOnAll(asked: Endpoint, participant: string, act: Act): Promise<Acted> {
  const all: { done: LetterView[]; failed: Acted["failed"][number][] } = { done: [], failed: [] };
  const seen = new Set<string>();
  for (;;) {
    const { deadLetters } = await asked.deadLetters({ participant, limit: PAGE });
    const fresh = deadLetters.map(({ letter }) => letter).filter((letter) => !seen.has(letter));
    // Of more than a page, those behind it are only listed when the ones before have gone.
    const { done, failed } = await actOn(asked, participant, fresh, act);
    for (const letter of fresh) seen.add(letter);
    all.done.push(...done);
    all.failed.push(...failed);
    if (deadLetters.length < PAGE || done.length === 0) return all;
  }
}

function letterLines({ deadLetters, total }: DeadLettersView): string[] {
  if (deadLetters.length === 0) return ["no dead letters"];
  const columns = [
    { title: "participant" },
    { title: "letter" },
    { title: "given up" },
    { title: "key" },
    { title: "tries", right: true },
    { title: "reason" },
  ];
  const rows = deadLetters.map(({ participant, letter, at, key, attempts, reason }) => [
    participant,
    letter,
    timeText(at),
    cellText(key),
    String(attempts),
    cellText(reason, 100),
  ]);
  return [...tableLines(columns, rows), ...(total > deadLetters.length ? ["", `${deadLetters.length} of ${total}`] : [])];
}

function wholeLines({ participant, letter, kind, key, id, timer, time, reason, attempts, at, value, raw, bytes }: WholeLetterView): string[] {
  const facts: (readonly [string, string | null])[] = [
    ["key", JSON.stringify(key)],
    ["id", id],
    ["timer", kind === "timer" && timer === null ? "one that the code has no more" : timer],
    ["time", time === null ? null : timeText(time)],
    ["given up", `${timeText(at)}, after ${attempts} ${attempts === 1 ? "try" : "tries"}`],
    ["reason", reason],
    [raw === null ? "value" : "read", raw === null ? JSON.stringify(value, undefined, 2) : JSON.stringify(raw)],
    ["stored", `${bytes} bytes`],
  ];
  return [
    `${participant} ${letter}: a ${kind}`,
    ...facts.flatMap(([name, text]) => (text === null ? [] : [`  ${name.padEnd(9)} ${text.replaceAll("\n", "\n            ")}`])),
  ];
}

function actedLines({ done, failed }: Acted): string[] {
  return [
    ...done.map(({ participant, letter, outcome }) => `${participant} ${letter}: ${outcome}`),
    ...failed.map(({ participant, letter, error }) => `${participant} ${letter}: NOT DONE: ${error}`),
    `${done.length} done${failed.length === 0 ? "" : `, ${failed.length} not`}`,
  ];
}
