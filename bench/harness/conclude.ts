/** The end of every run: what the store holds against what plain code says it must, and the auditor over all of it. */
import type { Store } from "../../src/index.ts";
import { audit } from "../../src/audit/audit.ts";
import { readResults, Results } from "./results.ts";
import { Probe, type Workload } from "./workload.ts";

export interface Verdict {
  /** Entries of state that were read back and are as they must be. */
  readonly verified: number;
  readonly hash: string;
  readonly auditChecks: number;
}

/** Throws where anything differs, or the auditor finds anything. */
export async function conclude<S>(store: Store, workload: Workload<S>, settings: S): Promise<Verdict> {
  const { name } = workload.pipeline(settings, new Probe(undefined, () => {}));
  const expected = new Results();
  workload.expect(settings, expected);
  const found = await readResults(store, name);
  if (found.toString() !== expected.toString()) {
    throw new Error(`${workload.name} left results that are not those of plain code:\n  stored   ${found.toString()}\n  expected ${expected.toString()}`);
  }
  const { violations, invariants } = await audit(store, { pipeline: name });
  if (violations > 0) {
    const broken = invariants.flatMap(({ invariant, examples }) => examples.slice(0, 2).map((each) => `${invariant}: ${JSON.stringify(each)}`));
    throw new Error(`${workload.name}: the auditor found ${violations} violations\n  ${broken.join("\n  ")}`);
  }
  return { verified: found.entries, hash: found.toString(), auditChecks: invariants.reduce((sum, { checked }) => sum + checked, 0) };
}
