/**
 * A Kafka broker of one node in KRaft mode, its topics in a new folder, and the two ends of a peer on it: what fills it,
 * watches it, and measures latency (KafkaLoad.java). Used by the peers Kafka Streams and Flink.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../../test/support/redis-server.ts";
import { javaPeer, sourceOf } from "../cache.ts";
import { checkRows, queryThroughputOf, throughputOf } from "../measuring.ts";
import type { LatencyResult, Peer, PeerQueries, QueryLoad, Setting, ThroughputResult, Workload } from "../peer.ts";
import { finished, Processes, removeFolder, temporaryFolder } from "../processes.ts";

const PARTITIONS = 4;
const START_MS = 300_000;

/** The class path of the broker and of Kafka Streams. */
export const kafkaClasses = (): Promise<string> =>
  javaPeer(
    "kafka-streams",
    ["KafkaLoad.java", "Nexmark.java", "StreamsCounter.java", "StreamsQueries.java"].map((file) => sourceOf("kafka-streams", file)),
  );

export interface KafkaEnds extends AsyncDisposable {
  readonly address: string;
  /** A new folder, removed at the end. */
  readonly folder: string;
  fill(records: number, keys: number): Promise<void>;
  /** Measures until all records have results that `group` has committed, and checks every total. */
  throughput(processes: Processes, group: string, load: Workload): Promise<ThroughputResult>;
  latency(processes: Processes, load: Workload): Promise<LatencyResult>;
  fillEvents(load: QueryLoad): Promise<void>;
  /** Measures until all rows are visible, and checks them. */
  queryThroughput(processes: Processes, load: QueryLoad): Promise<ThroughputResult>;
}

/** How queries are measured of a peer between the topics of a broker. */
export function queriesOverKafka(
  classes: () => string,
  settings: readonly Setting[],
  start: (processes: Processes, ends: KafkaEnds, setting: Setting, load: QueryLoad) => void,
): PeerQueries {
  return {
    settings,
    async throughput(setting, load) {
      const processes = new Processes();
      await using ends = await openKafkaEnds(classes(), processes);
      try {
        await ends.fillEvents(load);
        start(processes, ends, setting, load);
        return await ends.queryThroughput(processes, load);
      } finally {
        await processes.stop();
      }
    },
  };
}

/** How a peer between the topics of a broker is measured. `start` starts what counts; `forLatency`: the setting to do that with. */
export function overKafka(
  classes: () => string,
  start: (processes: Processes, ends: KafkaEnds, setting: Setting) => void,
  forLatency = (setting: Setting): Setting => setting,
): Pick<Peer, "throughput" | "latency"> {
  const measured = async <T>(
    filled: number,
    { keys }: Workload,
    setting: Setting,
    measure: (ends: KafkaEnds, processes: Processes) => Promise<T>,
  ): Promise<T> => {
    const processes = new Processes();
    await using ends = await openKafkaEnds(classes(), processes);
    try {
      await ends.fill(filled, keys);
      start(processes, ends, setting);
      return await measure(ends, processes);
    } finally {
      await processes.stop();
    }
  };
  return {
    throughput: (setting, load) => measured(load.records, load, setting, (ends, processes) => ends.throughput(processes, "counter", load)),
    latency: (setting, load) => measured(0, load, forLatency(setting), (ends, processes) => ends.latency(processes, load)),
  };
}

async function openKafkaEnds(classes: string, processes: Processes): Promise<KafkaEnds> {
  const folder = temporaryFolder("kafka");
  const [port, controller] = [await freePort(), await freePort()];
  const address = `127.0.0.1:${port}`;
  const end = (program: "KafkaLoad" | "Nexmark", mode: string, ...args: (string | number)[]) => {
    const java = ["-Xmx512m", "-XX:TieredStopAtLevel=1", ...QUIET, "-cp", classes];
    return [...java, program, mode, address, ...args.map(String)];
  };
  const load = (mode: string, ...args: (string | number)[]) => end("KafkaLoad", mode, ...args);
  try {
    const settings = join(folder, "server.properties");
    writeFileSync(settings, serverProperties(folder, port, controller));
    mkdirSync(join(folder, "topics"));
    const format = ["format", "--standalone", "-t", "bWlsbHJhY2UtcGVlcnMtMQ", "-c", settings];
    await finished("kafka format", "java", ["-XX:TieredStopAtLevel=1", ...QUIET, "-cp", classes, "kafka.tools.StorageTool", ...format]);
    processes.start("kafka", true, "java", [...HEAP, ...QUIET, "-cp", classes, "kafka.Kafka", settings]);
    await answers(port, processes);
  } catch (error) {
    removeFolder(folder);
    throw error;
  }
  return {
    address,
    folder,
    fill: (records, keys) => finished("kafka fill", "java", load("fill", records, keys, PARTITIONS)),
    async throughput(all, group, { records, keys }) {
      let done = 0;
      let checked = false;
      const line = (text: string) => {
        if (text === "checked") checked = true;
        else if (text.startsWith("done ")) done = Number(text.slice(5));
      };
      all.start("kafka watch", false, "java", load("watch", group, records, keys), { line });
      const result = await throughputOf(all, records, () => Promise.resolve(done));
      while (!checked) {
        all.check();
        await delay(50);
      }
      return result;
    },
    async latency(all, { rate, seconds, warmUp, keys }) {
      let result: LatencyResult | undefined;
      const line = (text: string) => {
        const [, p50, p99, max, timed] = /^latency (\S+) (\S+) (\S+) (\d+)$/.exec(text) ?? [];
        if (p50 !== undefined) result = { p50Ms: Number(p50), p99Ms: Number(p99), maxMs: Number(max), timed: Number(timed) };
      };
      all.start("kafka latency", false, "java", load("latency", rate, seconds, warmUp, keys), { line });
      while (result === undefined) {
        all.check();
        await delay(50);
      }
      return result;
    },
    fillEvents: ({ file }) => finished("kafka fill", "java", end("Nexmark", "fill", file)),
    async queryThroughput(all, asked) {
      let rows = 0;
      let digest: string | undefined;
      const line = (text: string) => {
        if (text.startsWith("rows ")) rows = Number(text.slice(5));
        else if (text.startsWith("digest ")) digest = text.slice(7);
      };
      all.start("kafka rows", false, "java", end("Nexmark", "rows", asked.rows), { line });
      const result = await queryThroughputOf(all, asked, () => Promise.resolve(rows));
      while (digest === undefined) {
        all.check();
        await delay(50);
      }
      checkRows(digest, asked);
      return result;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(removeFolder(folder)),
  };
}

/** As the start script of Kafka has it. */
const HEAP = ["-Xmx1G", "-Xms1G", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"];
export const QUIET = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=error"];

/** What differs from Kafka's own defaults: one node, so one replica of everything. */
const serverProperties = (folder: string, port: number, controller: number): string =>
  Object.entries({
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.bootstrap.servers": `127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "log.dirs": join(folder, "topics"),
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 1,
    "transaction.max.timeout.ms": 3_600_000,
    "group.initial.rebalance.delay.ms": 0,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");

async function answers(port: number, processes: Processes): Promise<void> {
  for (const from = performance.now(); performance.now() - from < START_MS; await delay(100)) {
    processes.check();
    const socket = connect(port, "127.0.0.1");
    const open = await new Promise<boolean>((resolve) => socket.once("connect", () => resolve(true)).once("error", () => resolve(false)));
    socket.destroy();
    if (open) return;
  }
  throw new Error(`the Kafka broker did not answer within ${START_MS / 1_000} s`);
}
