/** One call of `init.lua`: a graph and the structures of the participants that come and go. For one server; in a cluster `cluster-graph.ts`. */
import { shardRef } from "../../key.ts";
import { newAuthority } from "../../watermark/authority.ts";
import type { StoredGraph } from "../stored-graph.ts";
import { storedAuthority } from "./authority-bytes.ts";
import type { Calls } from "./calls.ts";
import { type Keys, STRUCTURES } from "./keys.ts";
import type { Request } from "./request.ts";

type Participants = StoredGraph["participants"];

export function encodeInit(
  calls: Calls,
  keys: Keys,
  graph: StoredGraph,
  expected: number | undefined,
  { added, removed }: { readonly added: Participants; readonly removed: Participants },
): Request {
  const request = calls.begin(keys.graph, keys.appends, keys.authority, keys.workers, keys.leases);
  for (const { id, shards } of [...added, ...removed]) {
    for (let index = 0; index < shards; index++) for (const structure of STRUCTURES) request.key(keys.of(shardRef(id, index))[structure]);
  }
  request.args.optional(expected);
  request.integer(graph.version).text(JSON.stringify(graph));
  request.integer(added.reduce((total, { shards }) => total + shards, 0)).integer(added.length);
  for (const { id, shards } of added) {
    const { owners, cells, published } = storedAuthority(id, newAuthority(shards));
    request.integer(id).bytes(cells).text(owners).bytes(published);
  }
  for (const { id } of removed) request.integer(id);
  return request;
}
