/** Every call of `millrace` in the documents is one that the command takes: its words, options and their values. */
import { type Command, CommanderError } from "commander";
import { expect, test } from "vitest";
import { programOf } from "../../src/cli/program.ts";
import { files, lineOf } from "./project-files.ts";

interface Shown {
  readonly place: string;
  readonly words: readonly string[];
  /** It is to be typed as it stands, so nothing may be missing. */
  readonly whole: boolean;
}

const CALL = /^(?:npx |(?:\.\/)?node_modules\/\.bin\/)?millrace (?<rest>.*?)(?: +#.*| +\d?[>&|].*)?$/;

/** As a shell would take them, as far as the documents use one. */
const wordsOf = (text: string): string[] =>
  [...text.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, plain]) => single ?? double ?? plain ?? "");

function shownIn({ path, text }: { readonly path: string; readonly text: string }): Shown[] {
  const typed = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(({ index, 1: block = "" }) =>
    block.split("\n").map((line, n) => ({ line, at: lineOf(text, index) + 1 + n, whole: true })),
  );
  const prose = text.replace(/```[\s\S]*?```/g, (block) => block.replace(/[^\n]/g, " "));
  const named = [...prose.matchAll(/`([^`\n]+)`/g)].map(({ index, 1: line = "" }) => ({ line, at: lineOf(prose, index), whole: false }));
  return [...typed, ...named].flatMap(({ line, at, whole }) => {
    const rest = CALL.exec(line.trim())?.groups?.["rest"];
    return rest === undefined ? [] : [{ place: `${path}:${at}`, words: wordsOf(rest), whole }];
  });
}

/** Commands that take what they are given and do nothing. */
function inert(command: Command): Command {
  command.action(() => {}).configureOutput({ writeErr: () => {}, writeOut: () => {} });
  command.commands.forEach(inert);
  return command;
}

/** Why the command does not take these words; undefined: it does. */
function refusal({ words, whole }: Shown): string | undefined {
  try {
    inert(programOf(() => {})).parse(words, { from: "user" });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const unfinished = ["commander.missingArgument", "commander.optionMissingArgument", "commander.missingMandatoryOptionValue"];
    // Prose writes PORT for a port.
    const named = error.code === "commander.invalidArgument" && words.some((word) => /^[A-Z:|]+$/.test(word));
    return !whole && (unfinished.includes(error.code) || named) ? undefined : error.message;
  }
}

const shown = files.filter(({ path }) => path.endsWith(".md")).flatMap(shownIn);

test("the documents' calls of millrace are calls that it takes", () => {
  expect(shown.length).toBeGreaterThan(50);
  expect(shown.flatMap((each) => (refusal(each) === undefined ? [] : [`${each.place}: millrace ${each.words.join(" ")}: ${refusal(each)}`]))).toEqual([]);
});

test.each([["run x.ts --stor memory:"], ["rnu x.ts"], ["run"], ["run x.ts y.ts"], ["run x.ts --port many"]])("millrace %s is none", (text) => {
  expect(refusal({ place: "", words: wordsOf(text), whole: true })).toBeDefined();
});
