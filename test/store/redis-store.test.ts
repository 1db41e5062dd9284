/** RedisStore on a real server: the conformance suite. What only it has is in `redis/`. */
import { systemClock } from "../../src/clock.ts";
import { RedisStore } from "../../src/store/redis/redis-store.ts";
import { startRedis } from "../support/redis-server.ts";
import { storeConformance } from "./conformance.ts";

storeConformance("redis", async () => {
  const server = await startRedis();
  const store = new RedisStore(server.url);
  return {
    clock: "server",
    open: (pipeline, _, random) => store.open({ pipeline, clock: systemClock, random }),
    reopen: (pipeline, _, random) => store.open({ pipeline, clock: systemClock, random }),
    pipelines: () => store.pipelines(systemClock),
    read: (pipeline) => store.read({ pipeline, clock: systemClock }),
    dispose: () => server.stop(),
  };
});
