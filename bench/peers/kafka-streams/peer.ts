/** Kafka Streams, exactly_once_v2, with a broker of its own. */
import { join } from "node:path";
import { START } from "../../nexmark/events.ts";
import { SLIDE } from "../../nexmark/queries.ts";
import type { Peer, QueryLoad, Setting } from "../peer.ts";
import type { Processes } from "../processes.ts";
import { kafkaClasses, type KafkaEnds, overKafka, queriesOverKafka, QUIET } from "./broker.ts";

let classes = "";

export const kafkaStreams: Peer = {
  name: "kafka-streams",
  guarantee: "exactly_once_v2, results visible at each commit interval; acks=all, the log flushed by the operating system",
  settings: [
    { label: "commit.interval 100 ms (default), cache 10 MiB", interval: 100, threads: 1, cache: 10 << 20 },
    { label: "commit.interval 1 s, cache 64 MiB, 2 threads", interval: 1_000, threads: 2, cache: 64 << 20 },
    { label: "commit.interval 10 ms, no cache", interval: 10, threads: 1, cache: 0 },
  ],
  part: 1,
  prepare: async () => void (classes = await kafkaClasses()),
  // Without a cache: each record has a result of its own, and nothing waits for another one of its key.
  ...overKafka(
    () => classes,
    startCounter,
    (setting) => ({ ...setting, cache: 0 }),
  ),
  queries: queriesOverKafka(
    () => classes,
    [
      { label: "commit.interval 100 ms (default), cache 10 MiB", interval: 100, threads: 1, cache: 10 << 20 },
      { label: "commit.interval 1 s, cache 64 MiB, 2 threads", interval: 1_000, threads: 2, cache: 64 << 20 },
      { label: "commit.interval 100 ms, cache 64 MiB, 2 threads", interval: 100, threads: 2, cache: 64 << 20 },
    ],
    startQueries,
  ),
};

function startQueries(processes: Processes, { address, folder }: KafkaEnds, { interval = 100, threads = 1, cache = 0 }: Setting, { query }: QueryLoad): void {
  const args = [address, query, interval, threads, join(folder, "state"), cache, START + SLIDE].map(String);
  processes.start("kafka-streams", true, "java", ["-Xmx1G", ...QUIET, "-cp", classes, "StreamsQueries", ...args]);
}

function startCounter(processes: Processes, { address, folder }: KafkaEnds, { interval = 100, threads = 1, cache = 0 }: Setting): void {
  const args = [address, interval, threads, join(folder, "state"), cache].map(String);
  processes.start("kafka-streams", true, "java", ["-Xmx1G", ...QUIET, "-cp", classes, "StreamsCounter", ...args]);
}
