/** What the last calls of a key did, as the computation has kept it. Read from outside, so any worker answers for all. */
import { EXPLAIN_CELL, type Explained } from "../computation/explained.ts";
import { openValue } from "../computation/envelope.ts";
import { shardOf, shardRef } from "../key.ts";
import { stateField } from "../store/address.ts";
import type { StoreReader } from "../store/reader.ts";
import type { PlannedComputation } from "../worker/plan.ts";
import { RequestError } from "./request-error.ts";

/** The last calls of a key that succeeded, the oldest first, as of one commit of its shard. */
export interface ExplainView {
  readonly pipeline: string;
  readonly worker: string;
  readonly now: number;
  readonly computation: string;
  readonly key: string;
  readonly shard: number;
  /** Number of the shard's commit that it is as of. */
  readonly commit: number;
  readonly calls: readonly Explained[];
}

/** RequestError where the computation keeps nothing. */
export async function explanationOf(
  reader: StoreReader,
  computation: PlannedComputation,
  key: string,
): Promise<Pick<ExplainView, "shard" | "commit" | "calls">> {
  const cell = computation.cells.find(({ node }) => node.name === EXPLAIN_CELL);
  if (cell === undefined)
    throw new RequestError(
      404,
      "not-explained",
      `computation ${computation.name} does not keep what its calls do: give it the option, as in .compute("${computation.name}", ..., { explain: 20 })`,
    );
  const shard = shardOf(key, computation.shards);
  const { number, values } = await reader.readValues(shardRef(computation.id, shard), [stateField(cell.id, key)]);
  const [stored] = values;
  const ring = stored === undefined ? [] : (openValue(cell.node.codec, stored, `state ${EXPLAIN_CELL}`).value as readonly string[]);
  return { shard, commit: number, calls: ring.map((entry) => JSON.parse(entry) as Explained) };
}
