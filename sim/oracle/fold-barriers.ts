/**
 * The part of the fold that looks at barriers that were passed.
 *
 * F8  When a barrier is passed, all that comes of its items by records is committed: each such record has been processed
 *     by every computation that it goes to, or is in its dead letters, and is in every sink. What comes by timers, of
 *     effects, or of what was brought back from dead letters, is not waited for.
 */
import type { Delivery } from "./fold-call.ts";
import { verdictOf } from "../workload/program.ts";
import type { FoldInput, Found, FoundBarrier } from "./fold-input.ts";

export function barrierFindings(
  barrier: FoundBarrier,
  { shape, scripts }: FoldInput,
  streams: ReadonlyMap<string, readonly Delivery[]>,
  found: Found,
): string[] {
  const wrong: string[] = [];
  const through = new Map<string, ReadonlySet<string>>();
  for (const { name } of shape.computations) through.set(name, throughOf(name, barrier.committed));
  for (const { name } of shape.sinks) through.set(name, new Set((barrier.committed.sinks.get(name) ?? []).map(({ item }) => item.id)));
  const { injector, partition, from, to } = barrier;
  const waitedFor = new Map<string, boolean>();
  for (const [stream, deliveries] of streams) {
    const consumers = [...shape.computations.filter(({ inputs }) => inputs.includes(stream)), ...shape.sinks.filter((each) => each.stream === stream)];
    for (const { item } of deliveries) {
      if (!comesOf(item.id, barrier, found, waitedFor)) continue;
      for (const { name } of consumers) {
        const script = scripts.get(name);
        if (script !== undefined && verdictOf(script, item) === "passed over") continue;
        if (through.get(name)?.has(item.id) || isRevived(name, item.id, found)) continue;
        wrong.push(`F8: the barrier behind ${injector}[${partition}] ${from + 1} to ${to} was passed, and ${name} had not committed ${item.id}`);
      }
    }
  }
  return wrong;
}

function throughOf(name: string, { logs, dead }: FoundBarrier["committed"]): ReadonlySet<string> {
  const through = new Set<string>();
  for (const log of logs.get(name)?.values() ?? []) for (const [what] of log) through.add(what);
  for (const { what } of dead.get(name) ?? []) through.add(what);
  return through;
}

/** Does the record come of the barrier's items, and of nothing else? */
function comesOf(id: string, barrier: FoundBarrier, found: Found, known: Map<string, boolean>): boolean {
  const before = known.get(id);
  if (before !== undefined) return before;
  const parts = id.split("/");
  const [maker = "", key = "", index = ""] = parts;
  let comes: boolean;
  if (parts.length === 3)
    comes = maker === barrier.injector && Number(key) === barrier.partition && Number(index) > barrier.from && Number(index) <= barrier.to;
  else {
    const what = found.logs.get(maker)?.get(key)?.[Number(index)]?.[0];
    comes = what?.includes("/") === true && !isRevived(maker, what, found) && comesOf(what, barrier, found, known);
  }
  known.set(id, comes);
  return comes;
}

function isRevived(name: string, id: string, found: Found): boolean {
  return found.revived.get(name)?.some(({ what }) => what === id) === true;
}
