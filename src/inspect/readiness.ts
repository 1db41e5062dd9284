/** Can this pipeline do work: does the store answer, is every shard owned, here or by another worker, and does this worker report its own? */
import { indexOf } from "../key.ts";
import type { Worker } from "../worker/worker.ts";
import { shardsOf } from "./stored-views.ts";
import type { Rejections } from "../worker/rejections.ts";
import type { HealthView, ReadinessView } from "./health-views.ts";

/** Shards of one participant that a sentence names. */
const NAMED = 8;

/** `failure`: why the pipeline has stopped for good, if it has. */
export function readinessOf({ engine, driver, rejections }: Worker, failure: string | undefined, now: number): ReadinessView {
  const missing: string[] = [];
  if (failure !== undefined) missing.push(`the pipeline has failed: ${failure}`);
  const outage = driver.outage.lasting(now);
  if (outage !== undefined) missing.push(outage);
  if (engine.stopping) missing.push("the worker is stopping");
  for (const participant of engine.options.plan.participants) {
    const unowned = shardsOf(participant).filter((shard) => !engine.shards.has(shard) && engine.ownership.otherOwnerOf(shard) === undefined);
    const who = `${participant.kind} "${participant.name}"`;
    if (unowned.length > 0) missing.push(`${who}: ${shardsText(unowned.map(indexOf))} without an owner`);
    else if (engine.shardsOf(participant).length > 0 && !engine.reporter.reporting(participant.id)) missing.push(`${who}: its watermarks are not reported yet`);
  }
  return { ready: missing.length === 0, missing, warnings: [...rejectionText(rejections), ...roomText(engine)] };
}

export function healthOf({ rejections: { count, complete } }: Worker): HealthView {
  if (count > 0) return { status: "degraded", unhandledRejections: count };
  return complete ? { status: "ok" } : { status: "ok", unhandledRejections: null };
}

function rejectionText({ count, last }: Rejections): string[] {
  if (last === undefined) return [];
  const { computation, key, reason, at } = last;
  const whose = computation === undefined ? "" : ` of computation "${computation}"${key === undefined ? "" : `, key ${JSON.stringify(key)},`}`;
  const how =
    count === 1 ? "a promise of user code was rejected and nothing waited for it" : `${count} promises of user code were rejected and nothing waited for them`;
  return [`${how}; the last${whose} at ${new Date(at).toISOString()}: ${reason}`];
}

function roomText({ ownership }: Worker["engine"]): string[] {
  return ownership.membership.room.full ? ["the store is full: injectors wait until it has room again; give it more memory"] : [];
}

function shardsText(indexes: readonly number[]): string {
  const more = indexes.length > NAMED ? ` and ${indexes.length - NAMED} more` : "";
  return `${indexes.length === 1 ? "shard" : "shards"} ${indexes.slice(0, NAMED).join(", ")}${more}`;
}
