/** The Redis of the example: the one that is given, or one of its own that leaves nothing behind. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";

export interface OpenRedis {
  readonly url: string;
  close(): Promise<void>;
}

export async function openRedis(given: string | undefined): Promise<OpenRedis> {
  if (given !== undefined && given !== "") return { url: given, close: () => Promise.resolve() };
  const directory = mkdtempSync(join(tmpdir(), "millrace-shop-"));
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--save", ""];
  const server = spawn("redis-server", args, { stdio: "ignore" });
  const failed = new Promise<never>((_resolve, reject) =>
    server.once("error", () => reject(new Error("there is no redis-server on PATH: install one (Debian: apt-get install redis-server), or give REDIS_URL"))),
  );
  const url = `redis://127.0.0.1:${port}`;
  await Promise.race([answers(url), failed]);
  const close = async () => {
    server.kill();
    await once(server, "exit");
    rmSync(directory, { recursive: true, force: true });
  };
  return { url, close };
}

async function answers(url: string): Promise<void> {
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null, retryStrategy: () => 50 });
  client.on("error", () => {});
  await client.ping();
  client.disconnect();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
