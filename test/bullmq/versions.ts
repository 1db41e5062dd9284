/** What the tests of `millrace/bullmq` share: both versions of BullMQ, a real Redis, and a look at queues that is not ours. */
import * as six from "bullmq";
import * as five from "bullmq-5";
import { afterAll, beforeAll } from "vitest";
import { type RedisServer, startRedis } from "../support/redis-server.ts";

/** The suite runs on each. Their types differ where nothing here is concerned. */
export const VERSIONS: readonly (readonly [string, typeof six])[] = [
  ["BullMQ 6", six],
  ["BullMQ 5", five as unknown as typeof six],
];

/** Of BullMQ's own, at the pace of tests: a worker that died is noticed in about a second. */
export const QUICK = { lockDuration: 1_000, stalledInterval: 500, drainDelay: 1 };

/** A server for the file, and queues on it that are closed with it. */
export function redisForTests(args: readonly string[] = []): { readonly server: RedisServer; queue(module: typeof six, name: string): six.Queue } {
  const shared: { server?: RedisServer } = {};
  const queues: six.Queue[] = [];
  beforeAll(async () => {
    shared.server = await startRedis({ tcp: true, args });
  });
  afterAll(async () => {
    await Promise.all(queues.map((queue) => queue.close()));
    await shared.server?.stop();
  });
  return {
    get server() {
      if (shared.server === undefined) throw new Error("the server is started before the tests");
      return shared.server;
    },
    queue(module, name) {
      const queue = new module.Queue(name, { connection: { host: "127.0.0.1", port: this.server.port, maxRetriesPerRequest: null } });
      queue.on("error", () => {});
      queues.push(queue);
      return queue;
    },
  };
}
