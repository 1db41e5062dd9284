/** `millrace copy`, `export` and `import`: a stopped pipeline moves. What they do is in `src/offline`; here is what they print. */
import { systemClock } from "../clock.ts";
import { copy, type CopyReport, type Surroundings } from "../offline/copy.ts";
import { exportPipeline, importPipeline } from "../offline/export.ts";
import { systemRandom } from "../random.ts";
import type { Store } from "../store/store.ts";
import { comparisonLines } from "./comparison-text.ts";
import { DONE, UsageError, VIOLATED } from "./exit.ts";
import { storeOf } from "./store-option.ts";
import { countText } from "./table.ts";

export interface MovingOptions {
  readonly pipeline?: string;
  readonly shards?: number;
  readonly json: boolean;
}

/** How far it is goes to standard error, so that standard output is the result alone. */
export const surroundings: Surroundings = {
  clock: systemClock,
  random: systemRandom,
  tell: (text) => void process.stderr.write(`${text}\n`),
};

export async function copyCommand(from: string, to: string, { json, ...options }: MovingOptions): Promise<number> {
  return shown(await copy({ ...surroundings, ...options, from: keptStoreOf(from), to: keptStoreOf(to) }), json);
}

export async function importCommand(file: string, { json, store, ...options }: MovingOptions & { readonly store: string }): Promise<number> {
  return shown(await importPipeline({ ...surroundings, ...options, file, to: keptStoreOf(store) }), json);
}

export async function exportCommand(file: string, { json, store, ...options }: MovingOptions & { readonly store: string }): Promise<number> {
  const report = await exportPipeline({ ...surroundings, ...options, file, from: keptStoreOf(store) });
  const { pipeline, from, bytes, entries } = report;
  const { state, watermark, wall, held, dead } = entries;
  print(
    json
      ? [JSON.stringify(report, undefined, 2)]
      : [
          `pipeline ${pipeline} from ${from} is in ${file}, ${countText(bytes)} bytes`,
          `${countText(state)} values of state, ${countText(watermark + wall)} timers, ${countText(held)} held, ${countText(dead)} dead letters`,
        ],
  );
  return DONE;
}

function shown(report: CopyReport, json: boolean): number {
  print(json ? [JSON.stringify(report, undefined, 2)] : comparisonLines(report));
  return report.differing === 0 && report.violations === 0 ? DONE : VIOLATED;
}

export function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** A store whose data outlives this command. */
export function keptStoreOf(text: string): Store {
  const { store, forgets } = storeOf(text);
  if (forgets) throw new UsageError("memory: forgets everything with its process; give an LMDB directory or a Redis");
  return store;
}
