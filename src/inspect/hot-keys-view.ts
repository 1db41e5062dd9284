/** The keys that most records are of, as this worker has seen them: `/v1/hot-keys` and the metric of the hottest. */
import type { Engine } from "../worker/engine.ts";
import type { PlannedComputation } from "../worker/plan.ts";
import type { ComputationHotKeys } from "./views.ts";

/** Effects are left out: each of their records is a key of its own. */
export function hotKeysOf(engine: Engine, { id, name, node }: PlannedComputation, limit: number): ComputationHotKeys {
  const sketch = node.effect === undefined ? engine.options.instances.get(id)?.hotKeys : undefined;
  const records = Math.round(sketch?.counted ?? 0);
  const keys = (sketch?.top(limit) ?? []).map((hot) => ({
    key: hot.key,
    share: Math.round((1_000 * hot.records) / Math.max(1, records)) / 1_000,
    records: Math.round(hot.records),
    atLeast: Math.round(hot.atLeast),
  }));
  return { computation: name, records, keys };
}

/** The share of the hottest key, as far as it is certain; undefined: nothing has been counted. */
export function hottestShare(engine: Engine, computation: PlannedComputation): number | undefined {
  const { records, keys } = hotKeysOf(engine, computation, 1);
  return keys[0] === undefined ? undefined : Math.min(1, keys[0].atLeast / records);
}
