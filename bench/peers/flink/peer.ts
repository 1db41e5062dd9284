/** Apache Flink in one process (its embedded cluster), RocksDB for state, the broker of `kafka-streams` at both ends. */
import { join } from "node:path";
import { javaPeer, sourceOf } from "../cache.ts";
import { kafkaClasses, type KafkaEnds, overKafka, queriesOverKafka, QUIET } from "../kafka-streams/broker.ts";
import type { Peer, QueryLoad, Setting } from "../peer.ts";
import type { Processes } from "../processes.ts";

let broker = "";
let classes = "";

export const flink: Peer = {
  name: "flink",
  guarantee: "exactly once by checkpoints to disk, results visible at each one; acks=all, the log flushed by the operating system",
  settings: [
    { label: "checkpoint 1 s, parallelism 1", interval: 1_000, parallelism: 1, incremental: "true", buffer: 100 },
    { label: "checkpoint 5 s, parallelism 2", interval: 5_000, parallelism: 2, incremental: "true", buffer: 100 },
    { label: "checkpoint 100 ms, parallelism 1, buffers 5 ms", interval: 100, parallelism: 1, incremental: "false", buffer: 5 },
  ],
  part: 1,
  async prepare() {
    broker = await kafkaClasses();
    const shared = sourceOf("kafka-streams", "Nexmark.java");
    classes = await javaPeer("flink", [sourceOf("flink", "FlinkCounter.java"), sourceOf("flink", "FlinkQueries.java"), shared]);
  },
  ...overKafka(() => broker, startCounter),
  queries: queriesOverKafka(
    () => broker,
    [
      { label: "checkpoint 1 s, parallelism 1, RocksDB", interval: 1_000, parallelism: 1, backend: "rocksdb" },
      { label: "checkpoint 1 s, parallelism 2, state on the heap", interval: 1_000, parallelism: 2, backend: "hashmap" },
      { label: "checkpoint 1 s, parallelism 1, state on the heap", interval: 1_000, parallelism: 1, backend: "hashmap" },
    ],
    startQueries,
  ),
};

function startQueries(
  processes: Processes,
  { address, folder }: KafkaEnds,
  { interval = 0, parallelism = 1, backend = "" }: Setting,
  { query }: QueryLoad,
): void {
  const args = [address, query, interval, parallelism, join(folder, "flink"), backend].map(String);
  processes.start("flink", true, "java", ["-Xmx1G", ...OPENED, ...QUIET, "-cp", classes, "FlinkQueries", ...args]);
}

function startCounter(processes: Processes, { address, folder }: KafkaEnds, { interval = 0, parallelism = 1, incremental = "", buffer = 100 }: Setting): void {
  const args = [address, interval, parallelism, join(folder, "flink"), incremental, buffer].map(String);
  processes.start("flink", true, "java", ["-Xmx1G", ...OPENED, ...QUIET, "-cp", classes, "FlinkCounter", ...args]);
}

/** What Flink's own configuration opens to its serialisers on Java 17. */
const OPENED = ["java.lang", "java.util", "java.net", "java.io", "java.nio", "java.time", "java.util.concurrent"].flatMap((name) => [
  "--add-opens",
  `java.base/${name}=ALL-UNNAMED`,
]);
