/** docs/options.md is what the code does: the same options, defaults and ranges. */
import { expect, test } from "vitest";
import { COMPUTATION_DEFAULTS } from "../../src/computation/graph.ts";
import {
  ascending,
  Computation,
  ConfigError,
  exponential,
  fromFile,
  fromIterable,
  input,
  MemoryStore,
  Pipeline,
  RedisStore,
  run,
  stream,
  type StreamRecord,
} from "../../src/index.ts";
import { injectorSettings } from "../../src/injectors/injector-settings.ts";
import { PipelineTester, underFaults } from "../../src/testing/index.ts";
import { START } from "../../src/testing/tester.ts";
import { documentText, numberOf, tableUnder } from "./document-tables.ts";
import { files } from "./project-files.ts";

type Options = Record<string, unknown>;

/** Something that takes options: where it is documented, where it is declared, its defaults, and how to give it some. */
interface Door {
  readonly heading: string;
  readonly file: string;
  readonly type: string;
  /** As the document writes them. Those that are not here are described there in words. */
  readonly defaults: Options;
  readonly give: (options: Options) => unknown;
}

const numbers = stream<number>("numbers");

class Nothing extends Computation {
  readonly numbers = input(numbers, { key: String });
  override processRecord(_record: StreamRecord<number>): void {}
}

const pipeline = new Pipeline("options").inject(
  "none",
  numbers,
  fromIterable(() => []),
);
pipeline.compute("nothing", Nothing);

const waits = exponential(COMPUTATION_DEFAULTS.backoffFirst, COMPUTATION_DEFAULTS.backoffMost);
const injectors = injectorSettings("an injector", {}, { own: [] });

/** The literal that stands for an option that is not given: `options.leaseMs ?? 2_000`, or `{ timeoutMs = 5_000 }`. */
function literalOf(file: string, option: string): unknown {
  const text = files.find(({ path }) => path === file)?.text ?? "";
  const found = new RegExp(`(?:\\.${option} \\?\\? |\\b${option} = )(\\d[\\d_]*|"\\w+"|true|false)(?: << (\\d+))?`).exec(text);
  if (found === null) throw new Error(`${file} has no literal for ${option}`);
  const [, literal = "", shift = "0"] = found;
  return /^\d/.test(literal) ? Number(literal.replaceAll("_", "")) * 2 ** Number(shift) : JSON.parse(literal);
}

const doors: readonly Door[] = [
  {
    heading: "`run(pipeline, options)`",
    file: "src/run.ts",
    type: "RunOptions",
    defaults: Object.fromEntries(["stallMs", "leaseMs", "batchRecords", "cacheBytes"].map((option) => [option, literalOf("src/run.ts", option)])),
    give: async (options) => (await run(pipeline, { store: new MemoryStore(), ...options })).stop(),
  },
  {
    heading: "`new Pipeline(name, options)`",
    file: "src/computation/pipeline.ts",
    type: "PipelineOptions",
    defaults: { shards: new Pipeline("default").shards },
    give: (options) => new Pipeline("options", options),
  },
  {
    heading: "`pipeline.compute(name, class, options)`",
    file: "src/computation/pipeline.ts",
    type: "ComputeOptions",
    defaults: {
      onFailure: COMPUTATION_DEFAULTS.onFailure,
      attempts: COMPUTATION_DEFAULTS.attempts,
      timeLimit: COMPUTATION_DEFAULTS.timeLimit,
      backoff: `exponential(${waits.first}, ${waits.most.toLocaleString("en").replace(",", "_")})`,
    },
    give: (options) => new Pipeline("options").compute("nothing", Nothing, options),
  },
  {
    heading: "Every injector",
    file: "src/computation/edges.ts",
    type: "InjectorOptions",
    defaults: {
      idRetention: injectors.idRetention,
      maxAhead: injectors.maxAhead,
      watermark: injectors.watermark.description === ascending().description ? "ascending()" : "",
    },
    give: (options) => fromIterable(() => [], options),
  },
  {
    heading: "`fromFile(path, options)`",
    file: "src/injectors/from-file.ts",
    type: "FileOptions",
    defaults: { follow: literalOf("src/injectors/from-file.ts", "follow") },
    give: (options) => fromFile("a.ndjson", options),
  },
  {
    heading: "`new RedisStore(target, options)`",
    file: "src/store/redis/redis-store.ts",
    type: "RedisStoreOptions",
    defaults: Object.fromEntries(["prefix", "timeoutMs"].map((option) => [option, literalOf("src/store/redis/redis-store.ts", option)])),
    give: (options) => new RedisStore("redis://localhost", options),
  },
  {
    heading: "`new MemoryStore(options)`",
    file: "src/store/memory-store.ts",
    type: "MemoryStoreOptions",
    defaults: Object.fromEntries(["exclusive", "domains"].map((option) => [option, literalOf("src/store/memory-store.ts", option)])),
    give: (options) => new MemoryStore(options),
  },
  {
    heading: "`PipelineTester.start(pipeline, options)`",
    file: "src/testing/tester.ts",
    type: "TesterOptions",
    defaults: {
      now: START,
      batchRecords: literalOf("src/testing/pipeline-tester.ts", "batchRecords"),
      effects: literalOf("src/testing/pipeline-tester.ts", "effects"),
    },
    give: (options) => PipelineTester.start(pipeline, { shards: 1, ...options }),
  },
  {
    heading: "`underFaults(pipeline, options, body)`",
    file: "src/testing/under-faults.ts",
    type: "UnderFaultsOptions",
    defaults: { schedules: literalOf("src/testing/under-faults.ts", "SCHEDULES"), seed: literalOf("src/testing/under-faults.ts", "seed"), lostTail: false },
    give: (options) => underFaults(pipeline, { shards: 1, schedules: 1, ...options }, () => {}),
  },
];

/** The names that an interface declares by itself. */
function declared(file: string, type: string): string[] {
  const text = files.find(({ path }) => path === file)?.text ?? "";
  const body = new RegExp(`interface ${type}\\b[^{]*\\{\\n([\\s\\S]*?)\\n\\}`).exec(text)?.[1] ?? "";
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name = ""]) => name);
}

test.each(doors)("$heading has the options that are documented, and no others", ({ heading, file, type }) => {
  const shared = type === "ComputeOptions" ? declared(file, "ParticipantOptions") : [];
  const names = tableUnder("docs/options.md", heading).map(({ option }) => option);
  expect(new Set<unknown>(names)).toEqual(new Set([...declared(file, type), ...shared]));
});

test.each(doors)("$heading has the defaults that are documented", ({ heading, defaults }) => {
  const rows = tableUnder("docs/options.md", heading);
  const documented = Object.fromEntries(Object.keys(defaults).map((option) => [option, rows.find((row) => row["option"] === option)?.["default"]]));
  const expected = Object.fromEntries(
    Object.entries(defaults).map(([option, value]) => [option, typeof value === "number" ? value.toLocaleString("en") : String(value)]),
  );
  expect(documented).toEqual(expected);
  // Every number in the document is compared with something.
  expect(rows.filter((row) => numberOf(row["default"] ?? "") !== undefined && !((row["option"] ?? "") in defaults))).toEqual([]);
});

/** "taken", or the name of the error. */
async function outcomeOf({ give }: Door, options: Options): Promise<string> {
  try {
    await give(options);
    return "taken";
  } catch (error) {
    return error instanceof ConfigError ? "ConfigError" : String(error);
  }
}

test.each(doors)("$heading takes the ends of the documented ranges, and nothing beyond", async (door) => {
  const found: string[] = [];
  const expected: string[] = [];
  const compare = async (option: string, value: number, outcome: string) => {
    found.push(`${option} ${value}: ${await outcomeOf(door, { [option]: value })}`);
    expected.push(`${option} ${value}: ${outcome}`);
  };
  for (const { option = "", range = "" } of tableUnder("docs/options.md", door.heading)) {
    const [, low, high] = /^([\d,]+) (?:to ([\d,]+)|and up)(?:, Infinity)?$/.exec(range) ?? [];
    const [least, most] = [numberOf(low ?? ""), numberOf(high ?? "")];
    if (least === undefined) continue;
    await compare(option, least, "taken");
    await compare(option, least - 1, "ConfigError");
    if (most === undefined) continue;
    // A tester of 16,384 shards takes long to start and shows no more than the Pipeline that takes them.
    if (!(option === "shards" && door.heading.includes("Tester"))) await compare(option, most, "taken");
    await compare(option, most + 1, "ConfigError");
  }
  expect(found).toEqual(expected);
});

test("a misspelt option is a ConfigError at every door that takes options", async () => {
  const outcomes = await Promise.all(doors.map(async (door) => [door.heading, await outcomeOf(door, { mispelt: 1 })]));
  expect(outcomes).toEqual(doors.map(({ heading }) => [heading, "ConfigError"]));
});

test("every heading of an option table is a door that is compared", () => {
  const headings = [...documentText("docs/options.md").matchAll(/^## (.*)\n(?:(?!## )[\s\S])*?^\| option/gm)].map(([, heading = ""]) => heading);
  expect(headings).toEqual(doors.map(({ heading }) => heading));
});

test("every public method of the tester is documented with its parameters, and no other is", () => {
  const [shared, own] = [methodsIn("src/testing/tester.ts"), methodsIn("src/testing/pipeline-tester.ts")];
  const documented = tableUnder("docs/options.md", "Methods of the tester").map(({ method = "" }) => {
    const [, name = "", given = "", star] = /^(\w+)\((.*)\)( \*)?$/.exec(method) ?? [];
    return { name, parameters: given === "" ? 0 : given.replace(/\{.*\}/, "options").split(", ").length, alone: star !== undefined };
  });
  expect(new Map(documented.map(({ name, parameters }) => [name, parameters]))).toEqual(new Map([...shared, ...own]));
  expect(documented.filter(({ alone }) => alone).map(({ name }) => name)).toEqual(expect.arrayContaining([...own.keys()].filter((name) => !shared.has(name))));
  expect(documented.filter(({ name, alone }) => alone && shared.has(name))).toEqual([]);
});

/** The public methods of a class, by name, with the number of their parameters. */
function methodsIn(path: string): Map<string, number> {
  const declarations = documentText(path).matchAll(/^ {2}(?:abstract |override )?(?:async )?(\w+)(?:<[^(]*>)?\((.*?)\): .*(?:\{|;)$/gm);
  // What stands in brackets is a part of a parameter's type.
  const parametersOf = (text: string) => (text.replace(/\{[^}]*\}|\([^)]*\)/g, "").match(/\w+: /g) ?? []).length;
  return new Map([...declarations].map(([, name = "", text = ""]) => [name, parametersOf(`${text} `.replaceAll("?:", ":"))]));
}
