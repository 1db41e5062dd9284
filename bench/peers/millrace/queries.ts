/** Queries of Nexmark on Millrace: events in a Redis stream, rows in another, one worker, all on one Redis. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Redis } from "ioredis";
import { Digest } from "../../harness/results.ts";
import { program } from "../cache.ts";
import { checkRows, queryThroughputOf } from "../measuring.ts";
import type { PeerQueries } from "../peer.ts";
import { Processes } from "../processes.ts";
import { openRedisEnds } from "../redis-ends.ts";

const [EVENTS, ANSWERS] = ["events", "answers"] as const;
const PAGE = 1_000;

export const millraceQueries: PeerQueries = {
  settings: [
    { label: "64 shards, batch 256 (defaults)", shards: 64, batch: 256 },
    { label: "16 shards, batch 1024", shards: 16, batch: 1024 },
    { label: "4 shards, batch 1024", shards: 4, batch: 1024 },
  ],
  async throughput({ batch = 256, shards = 64 }, load) {
    const processes = new Processes();
    await using ends = await openRedisEnds(processes);
    try {
      await fill(ends.client, load.file);
      processes.start("millrace", true, process.execPath, [program("millrace/query-worker"), ends.server.socket, load.query, String(batch), String(shards)]);
      const result = await queryThroughputOf(processes, load, () => ends.client.xlen(ANSWERS));
      await processes.stop();
      checkRows(await rowsOf(ends.client), load);
      return result;
    } finally {
      await processes.stop();
    }
  },
};

async function fill(client: Redis, file: string): Promise<void> {
  let filling = client.pipeline();
  for await (const line of createInterface({ input: createReadStream(file) })) {
    filling.xadd(EVENTS, "*", "event", line);
    if (filling.length < PAGE) continue;
    await filling.exec();
    filling = client.pipeline();
  }
  await filling.exec();
}

async function rowsOf(client: Redis): Promise<string> {
  const digest = new Digest();
  for (let from = "-"; ; ) {
    const page = await client.xrange(ANSWERS, from, "+", "COUNT", PAGE);
    for (const [id, fields] of page) {
      digest.add(fields[fields.indexOf("row") + 1] ?? "");
      from = `(${id}`;
    }
    if (page.length < PAGE) return String(digest);
  }
}
