/** Many random histories on several stores at once; the first difference is shrunk to the few calls that it takes. */
import { Arena, type Contestant, type Difference, type Done } from "./arena.ts";
import { textOf } from "./call.ts";
import { historyOf, shrink, type History } from "./history.ts";

export interface DifferentialOptions {
  readonly histories: number;
  readonly seed: number;
  /** The stores that are compared with the memory store, one list for each lane: lanes run side by side. */
  readonly lanes: readonly (readonly Contestant[])[];
  /** Is a difference shrunk? Default: yes. */
  readonly shrinks?: boolean;
}

export interface DifferentialResult {
  readonly histories: number;
  readonly operations: number;
  readonly differences: readonly ShrunkDifference[];
}

export interface ShrunkDifference extends Difference {
  /** `historyOf(seed, n)` is the whole history. */
  readonly seed: number;
  readonly n: number;
  readonly history: History;
}

/** Histories that run one after the other in the same pipeline: what one leaves behind must not reach the next. */
const PER_ARENA = 100;

export async function differential({ histories, seed, lanes, shrinks = true }: DifferentialOptions): Promise<DifferentialResult> {
  const differences: ShrunkDifference[] = [];
  let next = 0;
  let ran = 0;
  let operations = 0;
  await Promise.all(
    lanes.map(async (contestants, lane) => {
      while (next < histories && differences.length === 0) {
        const arena = await Arena.open(contestants, `lane${lane}-${next}`);
        for (let i = 0; i < PER_ARENA && next < histories && differences.length === 0; i++) {
          const n = next++;
          const found = await arena.run(historyOf(seed, n));
          ran += 1;
          if (found === undefined) continue;
          const whole = { ...found, seed, n, history: historyOf(seed, n) };
          differences.push(shrinks ? await shrunk(contestants, whole) : whole);
          break;
        }
        operations += arena.operations;
        await arena.close();
      }
    }),
  );
  return { histories: ran, operations, differences };
}

let attempts = 0;

/** The few steps that make the difference in pipelines of their own; as it was found, if it needs what was there before. */
async function shrunk(contestants: readonly Contestant[], found: ShrunkDifference): Promise<ShrunkDifference> {
  const fails = async (history: History): Promise<Difference | undefined> => {
    const arena = await Arena.open(contestants, `shrink-${++attempts}`);
    try {
      return await arena.run(history);
    } finally {
      await arena.close();
    }
  };
  const again = await fails(found.history);
  if (again === undefined) return found;
  const { history, failure } = await shrink(found.history, again, fails);
  return { ...found, ...failure, history };
}

/** For people: the calls that it takes, and who answered what. */
export function report({ seed, n, call, done, expected, answers }: ShrunkDifference): string {
  const others = Object.entries(answers).map(([name, answer]) => `  ${name}: ${textOf(answer)}`);
  return [
    `history ${n} of seed ${seed}:`,
    ...done.map((each) => `  ${doneText(each)}`),
    `${call.method} was answered`,
    `  memory: ${textOf(expected)}`,
    ...others,
  ].join("\n");
}

function doneText(done: Done): string {
  if (typeof done === "string") return done;
  return `${done.call.method}(${done.call.args.map(textOf).join(", ")})${done.together ? " and at once" : ""}`;
}
