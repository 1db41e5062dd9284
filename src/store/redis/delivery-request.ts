/** One call of `deliver.lua`: deliveries grouped by their targets, and the outcomes put back in their order. */
import type { ShardRef } from "../../key.ts";
import type { DeliverOutcome, DeliverReply, Delivery } from "../store.ts";
import { tailsOf } from "./commit-request.ts";
import type { Keys } from "./keys.ts";
import { parsePlace } from "./outbox-text.ts";
import { asList, asNumber, asText } from "./reply.ts";
import type { Request } from "./request.ts";
import { DELIVER } from "./scripts.ts";

/** Places in the list of deliveries, by target. */
export type DeliveryCall = ReadonlyMap<ShardRef, readonly number[]>;

export function encodeDeliveries(request: Request, keys: Keys, deliveries: readonly Delivery[]): DeliveryCall {
  const targets = new Map<ShardRef, number[]>();
  for (const [i, { to }] of deliveries.entries()) {
    const indexes = targets.get(to);
    if (indexes === undefined) targets.set(to, [i]);
    else indexes.push(i);
  }
  request.key(keys.domain(deliveries.length === 0 ? 0 : keys.domainOf(deliveries[0]!.to)).appends).integer(targets.size);
  for (const [shard, indexes] of targets) {
    const { meta, inbox, marks } = keys.of(shard);
    request.key(meta).key(inbox).key(marks).integer(indexes.length);
    for (const i of indexes) {
      const { from, place, previous, records, bytes } = deliveries[i]!;
      request.integer(from).integer(place.monotonic).integer(place.n);
      request.args.optional(previous?.monotonic);
      request.args.optional(previous?.n);
      request.integer(records);
      request.args.bytes(bytes);
    }
  }
  return targets;
}

export function decodeDeliverReply(call: DeliveryCall, reply: unknown): DeliverReply {
  const [appends, perTarget, ends] = asList(reply);
  const outcomes: { outcome: DeliverOutcome; mark: ReturnType<typeof parsePlace> | undefined }[] = [];
  for (const [t, indexes] of [...call.values()].entries()) {
    const flat = asList(asList(perTarget)[t]);
    for (const [d, i] of indexes.entries()) {
      const mark = asText(flat[2 * d + 1]);
      outcomes[i] = { outcome: DELIVER.outcomes[asText(flat[2 * d])]!, mark: mark === "" ? undefined : parsePlace(mark) };
    }
  }
  return { outcomes, tails: tailsOf([...call.keys()], asList(ends)), appends: asNumber(appends) };
}
