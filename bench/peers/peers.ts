/**
 * Millrace and its peers on the same workload, one after the other on the same machine: a sweep of each one's settings,
 * of which the best value is shown. Nothing here knows any of them; nothing measures without checking every total.
 */
import { loadavg } from "node:os";
import { benchmark } from "../harness/benchmark.ts";
import { watchStolen } from "../machine.ts";
import { bullmq } from "./bullmq/peer.ts";
import { flink } from "./flink/peer.ts";
import { kafkaStreams } from "./kafka-streams/peer.ts";
import { millrace } from "./millrace/peer.ts";
import { restate } from "./restate/peer.ts";
import { type LatencyResult, type Peer, type PeerQueries, QUERIES, type QueryName, type Setting, type ThroughputResult, type Workload } from "./peer.ts";
import { removeFolder, temporaryFolder } from "./processes.ts";
import { writeQueryLoad } from "./query-load.ts";

const all: readonly Peer[] = [millrace, bullmq, kafkaStreams, flink, restate];

export const peers = benchmark({
  name: "peers",
  about: "Millrace beside BullMQ, Kafka Streams, Flink and Restate, or one of them (--only); what is missing is fetched",
  numbers: { records: 1_000_000, keys: 100_000, rate: 500, seconds: 15, warmup: 10, sweep: 10, disorder: 1 },
  texts: { workload: ["counter", ...QUERIES], only: ["all", "none", "bullmq", "kafka-streams", "flink", "restate"], latency: ["yes", "no"] },
  run: ({ workload, only, latency, warmup, disorder, ...given }) =>
    workload === "counter"
      ? peersBench({ ...given, only, warmUp: warmup, latency: latency === "yes" })
      : queriesBench({ query: workload, only, events: given.records, disorder, sweep: given.sweep }),
});

interface PeersOptions extends Workload {
  /** The one to run beside Millrace; "all": each; "none": Millrace alone. */
  readonly only: string;
  /** Settings of each to try, from the first. */
  readonly sweep: number;
  /** Whether latency is measured too. */
  readonly latency: boolean;
}

interface Tried {
  readonly setting: Setting;
  readonly throughput: ThroughputResult;
  readonly latency: LatencyResult | undefined;
  readonly stolenPercent: number | null;
  /** Of the machine, over the last minute: with more than its cores, rates and latencies are those of a busy machine. */
  readonly loadAverage: number;
}

async function peersBench(options: PeersOptions): Promise<object> {
  const chosen = chosenOf(options.only);
  for (const peer of chosen) await peer.prepare();
  const peers = [];
  const sweeps: Record<string, object[]> = {};
  for (const peer of chosen) {
    const tried: Tried[] = [];
    for (const setting of peer.settings.slice(0, options.sweep)) tried.push(await tryOne(peer, setting, options));
    sweeps[peer.name] = tried.map(shown);
    peers.push(best(peer, tried));
  }
  const { keys, rate, seconds, warmUp } = options;
  return { bench: "peers", keys, rate, seconds, warmUp, peers, sweeps };
}

interface QueriesOptions {
  readonly query: QueryName;
  readonly only: string;
  readonly events: number;
  /** Events of one group of so many come in a mixed-up order. */
  readonly disorder: number;
  readonly sweep: number;
}

/** A query of Nexmark instead of the counter, on those that know event time. */
async function queriesBench({ query, only, events, disorder, sweep }: QueriesOptions): Promise<object> {
  const folder = temporaryFolder("events");
  const load = writeQueryLoad(query, events, disorder, folder);
  const chosen = chosenOf(only).filter(({ queries }) => queries !== undefined);
  for (const peer of chosen) await peer.prepare();
  const peers = [];
  const sweeps: Record<string, object[]> = {};
  for (const peer of chosen) {
    const { settings, throughput } = peer.queries as PeerQueries;
    const tried: Tried[] = [];
    for (const setting of settings.slice(0, sweep))
      tried.push(await trying(peer, setting, async () => ({ throughput: await throughput(setting, load), latency: undefined })));
    sweeps[peer.name] = tried.map(shown);
    peers.push(best(peer, tried));
  }
  removeFolder(folder);
  return { bench: "peers", workload: query, events, disorder, rows: load.rows, verified: load.digest, peers, sweeps };
}

const chosenOf = (only: string): readonly Peer[] => all.filter(({ name }) => name === "millrace" || only === "all" || name === only);

async function tryOne(peer: Peer, setting: Setting, options: PeersOptions): Promise<Tried> {
  return await trying(peer, setting, async () => {
    const throughput = await peer.throughput(setting, { ...options, records: Math.ceil(options.records * peer.part) });
    return { throughput, latency: options.latency ? await peer.latency(setting, options) : undefined };
  });
}

async function trying(peer: Peer, setting: Setting, measure: () => Promise<Pick<Tried, "throughput" | "latency">>): Promise<Tried> {
  const stolen = watchStolen();
  const measured = await measure();
  const tried = { setting, ...measured, stolenPercent: stolen(), loadAverage: Math.round(loadavg()[0] ?? 0) };
  console.error(JSON.stringify({ peer: peer.name, ...shown(tried) }));
  return tried;
}

function shown({ setting, throughput, latency, stolenPercent, loadAverage }: Tried): object {
  return { setting: setting.label, ...throughput, ...latency, stolenPercent, loadAverage };
}

/** The setting with the most records a second and the one with the smallest p99 may be two: each is named. */
function best(peer: Peer, tried: readonly Tried[]): object {
  const fastest = tried.reduce((a, b) => (b.throughput.recordsPerSecond > a.throughput.recordsPerSecond ? b : a));
  const soonest = tried.reduce((a, b) => ((b.latency?.p99Ms ?? 0) < (a.latency?.p99Ms ?? 0) ? b : a));
  const { recordsPerSecond, cpuSeconds, cpuMicrosPerRecord, rssMiB } = fastest.throughput;
  return {
    name: peer.name,
    guarantee: peer.guarantee,
    recordsPerSecond,
    p50Ms: soonest.latency?.p50Ms ?? null,
    p99Ms: soonest.latency?.p99Ms ?? null,
    cpuSeconds,
    cpuMicrosPerRecord,
    rssMiB,
    throughputAt: fastest.setting.label,
    latencyAt: soonest.latency === undefined ? null : soonest.setting.label,
  };
}
