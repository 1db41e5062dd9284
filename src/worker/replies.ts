/** Reads the replies to one request, as they are committed, whoever owns their shards. */
import { openValue } from "../computation/envelope.ts";
import type { StoredReply } from "../computation/reply.ts";
import { shardOf, shardRef } from "../key.ts";
import { stateField } from "../store/address.ts";
import type { PipelineStore } from "../store/store.ts";
import type { Plan, PlannedComputation } from "./plan.ts";

export interface Reply {
  /** Name that the pipeline gave the replies. */
  readonly name: string;
  readonly id: string;
  readonly timestamp: number;
  readonly value: unknown;
}

/** Those of all reply streams, in the order of the pipeline, then in which they were made. `now`: ms, for what has expired. */
export async function repliesTo(store: PipelineStore, plan: Plan, request: string, now: number): Promise<Reply[]> {
  const books = plan.participants.filter((each): each is PlannedComputation => each.kind === "computation" && each.node.reply !== undefined);
  const replies = await Promise.all(books.map((book) => repliesIn(store, book, request, now)));
  return replies.flat();
}

async function repliesIn(store: PipelineStore, book: PlannedComputation, request: string, now: number): Promise<Reply[]> {
  const [cell] = book.cells;
  const { reply } = book.node;
  if (cell === undefined || reply === undefined) return [];
  const [bytes] = await store.readState(shardRef(book.id, shardOf(request, book.shards)), [stateField(cell.id, request)]);
  if (bytes === undefined) return [];
  const { value, expiresAt } = openValue(cell.node.codec, bytes);
  if (expiresAt !== undefined && expiresAt <= now) return [];
  return (value as readonly StoredReply[]).map((each) => ({
    name: reply.name,
    id: each.id,
    timestamp: each.timestamp,
    value: openValue(reply.stream.codec, each.value).value,
  }));
}
