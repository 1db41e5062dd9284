/** The files of a new project, as `millrace init` writes them: a pipeline that runs, its data, and a test of it. */

/** Versions that the project asks for. */
export interface Versions {
  readonly millrace: string;
  /** What loads TypeScript for the tests: the one the command line has. */
  readonly jiti: string;
}

/** By name. `name`: of the project, and of its pipeline. */
export function filesOf(name: string, { millrace, jiti }: Versions): ReadonlyMap<string, string> {
  const manifest = {
    name,
    private: true,
    type: "module",
    scripts: { start: "millrace run pipeline.ts", test: "node --import jiti/register --test pipeline.test.ts", check: "tsc" },
    dependencies: { millrace },
    devDependencies: { "@types/node": "^20.19.0", jiti, typescript: ">=5.9" },
  };
  const compiler = {
    compilerOptions: {
      target: "es2023",
      module: "nodenext",
      strict: true,
      outDir: "build",
      skipLibCheck: true,
      rewriteRelativeImportExtensions: true,
      types: ["node"],
    },
    include: ["*.ts"],
  };
  return new Map([
    ["package.json", json(manifest)],
    ["tsconfig.json", json(compiler)],
    [".gitignore", "node_modules/\nbuild/\n.millrace/\ncounts.ndjson\n"],
    ["pipeline.ts", PIPELINE.replace("NAME", name)],
    ["pipeline.test.ts", TEST],
    ["visits.ndjson", VISITS],
    ["README.md", README.replaceAll("NAME", name)],
  ]);
}

const json = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;

const PIPELINE = `/** Counts the visits of each page in every minute, and says so when the minute is over: when the watermark has passed its end. */
import {
  boundedDisorder,
  Computation,
  type Context,
  fromFile,
  input,
  minutes,
  output,
  Pipeline,
  seconds,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
  toFile,
} from "millrace";

export interface Visit {
  readonly page: string;
  readonly at: number;
}
export interface PageCount {
  readonly page: string;
  readonly minute: number;
  readonly visits: number;
}

export const visits = stream<Visit>("visits");
export const counts = stream<PageCount>("counts");

export class PageCounter extends Computation {
  readonly visits = input(visits, { key: (visit) => visit.page });
  readonly counts = output(counts);
  readonly open = state("open", { initial: new Map<number, number>() });
  readonly closing = timers<number>("closing");

  override processRecord(record: StreamRecord<Visit>, context: Context): void {
    const minute = record.timestamp - (record.timestamp % minutes(1));
    context.state(this.open).update((open) => open.set(minute, (open.get(minute) ?? 0) + 1));
    context.setTimer(this.closing.for(minute), minute + minutes(1));
  }

  override processTimer(timer: Timer<number>, context: Context): void {
    const minute = timer.tag;
    context.produce(this.counts, { page: context.key, minute, visits: context.state(this.open).get().get(minute) ?? 0 });
    context.state(this.open).update((open) => {
      open.delete(minute);
    });
  }
}

export default new Pipeline("NAME")
  .inject("log", visits, fromFile<Visit>("visits.ndjson", { timestamp: (visit) => visit.at, watermark: boundedDisorder(seconds(5)) }))
  .compute("page-counter", PageCounter)
  .sink("report", counts, toFile("counts.ndjson"));
`;

const TEST = `import assert from "node:assert/strict";
import { test } from "node:test";
import { PipelineTester } from "millrace/testing";
import pipeline, { counts, PageCounter, visits } from "./pipeline.ts";

test("a minute is counted when it is over, and each visit once, whatever happens in between", async () => {
  const t = await PipelineTester.start(pipeline);
  await t.push(visits, { page: "/", at: 1_000 }, { at: 1_000 });
  await t.push(visits, { page: "/", at: 59_000 }, { at: 59_000 });
  await t.crash({ at: "after-commit" });
  assert.deepEqual(t.values(counts), []);
  assert.deepEqual(t.state(PageCounter, "/").open, new Map([[0, 2]]));
  await t.finish();
  assert.deepEqual(t.values(counts), [{ page: "/", minute: 0, visits: 2 }]);
});
`;

const VISITS = `${[
  ["/", 1_767_225_600_000],
  ["/docs", 1_767_225_612_000],
  ["/", 1_767_225_655_000],
  ["/", 1_767_225_651_000],
  ["/docs", 1_767_225_671_000],
  ["/", 1_767_225_733_000],
]
  .map(([page, at]) => JSON.stringify({ page, at }))
  .join("\n")}\n`;

const README = `# NAME

A Millrace pipeline: visits of each page, counted by the minute.

\`\`\`sh
npm install
npm test            # the pipeline on a virtual clock, with a crash in the middle
npm start           # reads visits.ndjson, writes counts.ndjson; stop it at any line and start it again
npm run check       # types; leaves JavaScript in build/
npx millrace graph pipeline.ts --explain
\`\`\`

What it remembers is in \`.millrace\`. To start over, delete that and \`counts.ndjson\`.
`;
