/** The graph of the chaos pipeline as a Redis has it: which shards a key has. */
import { systemClock } from "../src/clock.ts";
import type { ClusterTarget } from "../src/store/redis/client-options.ts";
import { RedisStore } from "../src/store/redis/redis-store.ts";
import type { StoredGraph } from "../src/store/stored-graph.ts";

export async function storedGraph(redis: string | ClusterTarget, pipeline = "chaos"): Promise<StoredGraph> {
  const reader = await new RedisStore(redis).read({ pipeline, clock: systemClock });
  try {
    const graph = await reader.readGraph();
    if (graph === undefined) throw new Error(`${reader.description} has no pipeline ${pipeline}`);
    return graph;
  } finally {
    await reader.close();
  }
}
