/** What is in force for a shard that changes hands, by what its owners have reported: compared with where the next one stands (A14). */
import { expect, test } from "vitest";
import { shapes, staged } from "../../sim/workload/shapes.ts";
import { shardRef } from "../../src/key.ts";
import { ReportAudit } from "../../src/testing/simulation/report-audit.ts";
import { PLAIN } from "./plain-variant.ts";

/** "w1" has reported these outputs of a shard, in the order of arrival; "w2" registers it then and stands at `input`. */
async function takenOver(reports: readonly { readonly number: number; readonly output: number }[], input: number): Promise<() => void> {
  const { plan } = await staged(shapes[0]!, PLAIN);
  const { id: participant = 0 } = plan.participants.find(({ kind }) => kind === "computation") ?? {};
  const audit = ReportAudit.of(plan);
  const ref = shardRef(participant, 0);
  const take = (worker: string): void => {
    audit.granted(ref, worker);
    audit.registered(worker, [{ participant, shards: [0], of: 1 }]);
  };
  take("w1");
  for (const each of reports) audit.reported("w1", { participant, generation: 1, status: "live", last: 0, ...each });
  take("w2");
  return () => audit.checkInputs("w2", [{ ref, input }]);
}

test("who takes a shard over may not stand below what was last reported of it", async () => {
  const reports = [
    { number: 1, output: 970 },
    { number: 2, output: 1_000 },
  ];
  expect(await takenOver(reports, 999)).toThrow("A14 starts below");
  expect(await takenOver(reports, 1_000)).not.toThrow();
});

test("a report that comes after a later one of its worker is in force for nobody", async () => {
  const reports = [
    { number: 2, output: 970 },
    { number: 1, output: 1_000 },
  ];
  expect(await takenOver(reports, 969)).toThrow("A14 starts below");
  expect(await takenOver(reports, 970)).not.toThrow();
});
