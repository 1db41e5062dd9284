/**
 * Where the workers of other machines reach this one: a listener of its own on an address that they can open, which
 * answers to workers of the same pipeline alone. What it answers is what the server on the loopback address does.
 *
 * D1  A request without the worker's secret is answered 403 before anything of it is looked at.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigError, messageOf } from "../errors.ts";
import { HTTP_CONNECTIONS } from "../limits.ts";
import { parseAddress } from "./address.ts";

export interface PeerDoorOptions {
  /** "10.0.0.5:7078". */
  readonly address: string;
  readonly isWorker: (request: IncomingMessage) => boolean;
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void;
  /** ms that the head of a request may take. */
  readonly patience: number;
}

export interface PeerDoor {
  /** "http://10.0.0.5:7078". */
  readonly url: string;
  close(): Promise<void>;
}

/** Throws `ConfigError` where the address is none, or cannot be had. */
export async function openPeerDoor({ address, isWorker, answer, patience }: PeerDoorOptions): Promise<PeerDoor> {
  const { host, port } = parseAddress("http", address);
  const server = createServer((request, response) => {
    if (isWorker(request)) answer(request, response);
    else response.writeHead(403, { connection: "close", "content-type": "application/json; charset=utf-8" }).end(REFUSAL);
  });
  Object.assign(server, { headersTimeout: patience, requestTimeout: 0, maxConnections: HTTP_CONNECTIONS });
  await listening(server, host, port);
  const { port: had } = server.address() as AddressInfo;
  return { url: `http://${host.includes(":") ? `[${host}]` : host}:${had}`, close: () => closed(server) };
}

const REFUSAL = JSON.stringify({ error: { code: "not-meant", message: "this address answers to workers of the same pipeline alone" } });

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) =>
      reject(new ConfigError(`http: address ${host}:${port} cannot be listened on: ${messageOf(error)}; give one of this machine's own`, { cause: error })),
    );
    server.listen(port, host, () => resolve());
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
