/**
 * The part of the fold that says what becomes of an effect's records: what the outside was told, what the results say,
 * and what is in dead letters have to fit.
 *
 * F6  Each record of an effect's stream is performed under one idempotency key, and no other record ever is.
 * F7  It has one result: how it was performed, or that it failed and is in dead letters; and one more for each time that
 *     it was brought back from there. A result has its record's timestamp.
 */
import type { Delivery } from "./fold-call.ts";
import type { FoundResult, FoundPerformed } from "./fold-input.ts";

export interface EffectFindings {
  readonly name: string;
  readonly deliveries: readonly Delivery[];
  readonly performed: readonly FoundPerformed[];
  /** undefined: it has no stream of results. */
  readonly results: readonly FoundResult[] | undefined;
  /** Ids of records that are in dead letters, or were discarded there; and that were brought back, once for each time. */
  readonly dead: readonly string[];
  readonly revived: readonly string[];
  /** What was performed may be of records that the store has lost. */
  readonly tailLost: boolean;
}

export function effectFindings({ name, deliveries, performed, results, dead, revived, tailLost }: EffectFindings): string[] {
  const wrong: string[] = [];
  const callsOf = grouped(performed, ({ item }) => item);
  const resultsOf = grouped(results ?? [], ({ input }) => input.id);
  const deadOf = grouped(dead, (id) => id);
  const revivedOf = grouped(revived, (id) => id);
  for (const { item, timestamp } of deliveries) {
    const { id } = item;
    const where = `effect ${name}, ${id}`;
    const calls = callsOf.get(id) ?? [];
    const isDead = deadOf.get(id)?.length ?? 0;
    const again = revivedOf.get(id)?.length ?? 0;
    if (calls.length === 0) wrong.push(`F6: ${where}: was never performed`);
    if (calls.length > 1 && !tailLost) wrong.push(`F6: ${where}: was performed under ${calls.map(({ idempotencyKey }) => idempotencyKey).join(" and ")}`);
    if (isDead > 1) wrong.push(`F7: ${where}: is in dead letters ${isDead} times`);
    if (isDead === 0 && !calls.some(({ succeeded }) => succeeded > 0)) wrong.push(`F7: ${where}: never succeeded and is not in dead letters`);
    if (results === undefined) continue;
    const mine = resultsOf.get(id) ?? [];
    const failures = mine.filter(({ ok }) => !ok).length;
    if (failures !== isDead + again) wrong.push(`F7: ${where}: ${failures} results are failures, ${isDead} dead letters and ${again} that came back`);
    if (mine.length - failures !== 1 - isDead) wrong.push(`F7: ${where}: ${mine.length - failures} results are not failures, ${isDead} dead letters`);
    for (const each of mine) {
      if (each.timestamp !== timestamp) wrong.push(`F7: ${where}: its result is at ${each.timestamp}, it at ${timestamp}`);
      if (JSON.stringify(each.input) !== JSON.stringify(item)) wrong.push(`F7: ${where}: its result says that it was ${JSON.stringify(each.input)}`);
      const call = calls.find(({ idempotencyKey }) => idempotencyKey === each.idempotencyKey);
      if (call === undefined) wrong.push(`F7: ${where}: its result names the key ${each.idempotencyKey}, under which nothing was performed`);
      else if (each.value !== (each.ok ? call.value : call.failure)) wrong.push(`F7: ${where}: its result is ${JSON.stringify(each.value)}`);
    }
  }
  const known = new Set(deliveries.map(({ item }) => item.id));
  for (const { item, idempotencyKey } of performed)
    if (!known.has(item) && !tailLost) wrong.push(`F6: effect ${name} was performed with ${idempotencyKey} for ${item}, which was never produced`);
  for (const id of [...resultsOf.keys(), ...deadOf.keys(), ...revivedOf.keys()])
    if (!known.has(id)) wrong.push(`F7: effect ${name} has a result or dead letter of ${id}, which was never produced`);
  return wrong;
}

function grouped<T>(list: readonly T[], by: (each: T) => string): ReadonlyMap<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const each of list) {
    const known = groups.get(by(each));
    if (known === undefined) groups.set(by(each), [each]);
    else known.push(each);
  }
  return groups;
}
