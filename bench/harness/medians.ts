/** Several runs of the same as one: of every number the median, and how far apart the runs were. */

type Row = Readonly<Record<string, unknown>>;

/** Numbers as medians; whatever else as in the first run. `spread`: of what differed, the least and the largest. */
export function medians(runs: readonly Row[]): Row {
  const [first, ...others] = runs;
  if (first === undefined) throw new RangeError("there were no runs");
  if (others.length === 0) return { ...first, runs: 1 };
  const merged: Record<string, unknown> = {};
  const spread: Record<string, readonly [number, number]> = {};
  for (const [name, value] of Object.entries(first)) {
    merged[name] = value;
    const values = runs.map((run) => run[name]).filter((each) => typeof each === "number");
    if (values.length < runs.length) continue;
    values.sort((a, b) => a - b);
    const [least, most] = [values[0] as number, values.at(-1) as number];
    merged[name] = median(values);
    if (least !== most) spread[name] = [least, most];
  }
  return { ...merged, runs: runs.length, spread };
}

/** Of numbers in order. */
function median(values: readonly number[]): number {
  const half = values.length >> 1;
  const upper = values[half] as number;
  return values.length % 2 === 1 ? upper : ((values[half - 1] as number) + upper) / 2;
}

/** Each variant so often, in turn, so that what the machine does meanwhile comes to all of them alike. */
export async function inTurn<V>(rounds: number, variants: readonly V[], run: (variant: V) => Promise<Row>): Promise<Row[]> {
  const rows: Row[][] = variants.map(() => []);
  for (let round = 0; round < rounds; round++) for (const [i, variant] of variants.entries()) rows[i]?.push(await run(variant));
  return rows.map(medians);
}

export const round = (value: number, digits = 2): number => Number(value.toFixed(digits));
