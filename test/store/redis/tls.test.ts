/**
 * Redis over TLS, with certificates on both sides. Those in `certificates/` were made once with openssl, for localhost and
 * a hundred years; whoever signed them is gone, and nothing but this test trusts them.
 */
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { RedisStore, StoreUnavailableError } from "../../../src/index.ts";
import { systemRandom } from "../../../src/random.ts";
import { root } from "../../repo/project-files.ts";
import { startRedis } from "../../support/redis-server.ts";

const CERTIFICATES = join(root, "test/store/redis/certificates");

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

test("a store is kept over TLS with a certificate of the client's, and refused without one", async () => {
  const port = await freePort();
  const file = (name: string) => join(CERTIFICATES, name);
  const certificates = ["--tls-cert-file", file("server.pem"), "--tls-key-file", file("server-key.pem"), "--tls-ca-cert-file", file("ca.pem")];
  const server = await startRedis({ args: ["--tls-port", String(port), ...certificates] });
  process.chdir(CERTIFICATES);
  onTestFinished(async () => {
    process.chdir(root);
    await server.stop();
  });
  // #region store
  const store = new RedisStore({
    host: "localhost",
    port,
    tls: { ca: readFileSync("ca.pem"), cert: readFileSync("client.pem"), key: readFileSync("client-key.pem") },
  });
  // #endregion
  const opening = { pipeline: "secret", clock: systemClock, random: systemRandom };
  const opened = await store.open(opening);
  expect(opened.description).toContain(`rediss://localhost:${port}/0`);
  await opened.close();

  const unknown = new RedisStore({ host: "localhost", port, tls: { ca: readFileSync("ca.pem") } }, { timeoutMs: 500 });
  await expect(unknown.open(opening)).rejects.toThrow(StoreUnavailableError);
  const unsigned = new RedisStore(`rediss://localhost:${port}`, { timeoutMs: 500 });
  await expect(unsigned.open(opening)).rejects.toThrow(/certificate/);
});
