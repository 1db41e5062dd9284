/**
 * Restate: a virtual object for each key. A record is a call of it through the server's ingress, with an idempotency key,
 * so that a caller who asks again counts nothing twice; its result is visible when the call is answered.
 */
import { Agent, request } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../../test/support/redis-server.ts";
import { keyOf } from "../peer.ts";
import { npmPeer } from "../cache.ts";
import { checkCounts, latencyOf, now, openLoop, throughputOf, valueOf } from "../measuring.ts";
import type { Peer, Setting } from "../peer.ts";
import { Processes, removeFolder, temporaryFolder } from "../processes.ts";

const START_MS = 300_000;
/** Most calls of a latency run at one time. */
const OPEN_CALLS = 512;
/** The server's folder within its base folder has this name. */
const NODE = "node";

let packages = "";

export const restate: Peer = {
  name: "restate",
  guarantee: "exactly once for calls with an idempotency key, visible when answered; its log flushed at each batch, or as said",
  settings: [
    { label: "defaults (24 partitions, flushed), 64 calls at a time", partitions: 24, calls: 64, flushed: "yes" },
    { label: "4 partitions, flushed, 256 calls at a time", partitions: 4, calls: 256, flushed: "yes" },
    { label: "4 partitions, log not flushed, 256 calls at a time", partitions: 4, calls: 256, flushed: "no" },
  ],
  part: 1 / 10,
  prepare: async () => void (packages = await npmPeer("restate", ["counter.mjs"])),

  async throughput(setting, { records, keys }) {
    const processes = new Processes();
    await using server = await openServer(processes, setting);
    try {
      const counts = new Map<string, number>();
      let next = 0;
      let done = 0;
      let failed: unknown;
      const caller = async () => {
        while (next < records && failed === undefined) {
          const n = next++;
          const key = keyOf(n, keys);
          const count = await server.call(key, `record-${n}`, valueOf(0));
          counts.set(key, Math.max(counts.get(key) ?? 0, count));
          done++;
        }
      };
      const all = Promise.all(Array.from({ length: Number(setting["calls"]) }, caller)).catch(
        (error: unknown) => void (failed = error ?? new Error("a call failed")),
      );
      const result = await throughputOf(processes, records, () => (failed === undefined ? Promise.resolve(done) : Promise.reject(failed as Error)));
      await all;
      checkCounts(counts, records, keys);
      return result;
    } finally {
      await processes.stop();
    }
  },

  async latency(setting, load) {
    const processes = new Processes();
    await using server = await openServer(processes, setting);
    try {
      const seen: number[] = [];
      const calls: Promise<void>[] = [];
      await openLoop(load, (records) => {
        for (const { key, due } of records) {
          const n = calls.length;
          calls.push(server.call(key, `record-${n}`, valueOf(due)).then(() => void (seen[n] = now() - due)));
        }
      });
      await Promise.all(calls);
      return latencyOf(seen, load);
    } finally {
      await processes.stop();
    }
  },
};

interface Server extends AsyncDisposable {
  /** The key's count after this record. */
  call(key: string, id: string, value: string): Promise<number>;
}

/** The server and its service, each a process, on unix sockets where it can be. */
async function openServer(processes: Processes, { partitions, flushed }: Setting): Promise<Server> {
  const folder = temporaryFolder("restate");
  const agent = new Agent({ keepAlive: true, maxSockets: OPEN_CALLS });
  const dispose = (): Promise<void> => {
    agent.destroy();
    return Promise.resolve(removeFolder(folder));
  };
  const port = await freePort();
  const binary = join(packages, "node_modules", "@restatedev", `restate-server-${process.platform}-${process.arch}`, "bin", "restate-server");
  const args = [
    "--base-dir",
    folder,
    "--node-name",
    NODE,
    "--listen-mode",
    "unix",
    "--no-logo",
    "--log-filter",
    "error",
    "--default-num-partitions",
    String(partitions),
  ];
  const env = { RESTATE_DISABLE_TELEMETRY: "true", DO_NOT_TRACK: "1", RESTATE_LOG_SERVER__ROCKSDB_DISABLE_WAL_FSYNC: String(flushed === "no") };
  processes.start("restate", true, binary, args, { env, cwd: folder });
  processes.start("restate service", true, process.execPath, [join(packages, "counter.mjs"), String(port)], { cwd: packages });
  const registration = { socketPath: join(folder, NODE, "admin.sock"), path: "/deployments", body: JSON.stringify({ uri: `http://127.0.0.1:${port}` }) };
  const socketPath = join(folder, NODE, "ingress.sock");
  const call = (key: string, id: string, value: string) =>
    post({ agent, socketPath, path: `/counter/${key}/hit`, body: JSON.stringify(value), id }).then((text) => Number(text));
  try {
    await eventually(processes, () => post(registration));
    await eventually(processes, () => call("first", "first", ""));
  } catch (error) {
    await processes.stop();
    await dispose();
    throw error;
  }
  return { call, [Symbol.asyncDispose]: dispose };
}

interface Posted {
  readonly agent?: Agent;
  readonly socketPath: string;
  readonly path: string;
  readonly body: string;
  readonly id?: string;
}

function post({ agent, socketPath, path, body, id }: Posted): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", ...(id === undefined ? {} : { "idempotency-key": id }) };
    const sent = request({ agent, socketPath, path, method: "POST", headers: { ...headers, "content-length": Buffer.byteLength(body) } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => {
        if ((response.statusCode ?? 500) < 300) resolve(text);
        else reject(new Error(`${path} answered ${response.statusCode}: ${text.slice(0, 300)}`));
      });
      response.on("error", reject);
    });
    sent.on("error", reject).end(body);
  });
}

async function eventually(processes: Processes, attempt: () => Promise<unknown>): Promise<void> {
  for (const from = performance.now(); ; await delay(200)) {
    processes.check();
    try {
      await attempt();
      return;
    } catch (error) {
      if (performance.now() - from > START_MS) throw error;
    }
  }
}
