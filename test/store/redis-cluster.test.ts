/** RedisStore on a real cluster of three primaries and three replicas: the conformance suite, with four atomic domains. */
import { systemClock } from "../../src/clock.ts";
import { RedisStore } from "../../src/store/redis/redis-store.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { storeConformance } from "./conformance.ts";

storeConformance("redis cluster", async () => {
  const cluster = await startCluster();
  const store = new RedisStore({ cluster: cluster.urls, domains: 4 });
  return {
    clock: "server",
    open: (pipeline, _, random) => store.open({ pipeline, clock: systemClock, random }),
    reopen: (pipeline, _, random) => store.open({ pipeline, clock: systemClock, random }),
    pipelines: () => store.pipelines(systemClock),
    read: (pipeline) => store.read({ pipeline, clock: systemClock }),
    dispose: () => cluster.stop(),
  };
});
