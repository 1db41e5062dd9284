/** Whoever is told of unpaid orders: a server that is down now and then, and tells repeated calls by their key. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Webhook {
  readonly url: string;
  /** Calls answered, and the orders by key. */
  readonly calls: number;
  readonly alarms: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

/** Every third call is answered 503, the alarm taken or not: as seen from outside, nobody knows. */
export async function openWebhook(): Promise<Webhook> {
  const alarms = new Map<string, string>();
  let calls = 0;
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (part: string) => (body += part));
    request.on("end", () => {
      calls += 1;
      const fails = calls % 3 === 0;
      if (!fails || calls % 2 === 0) alarms.set(String(request.headers["idempotency-key"]), (JSON.parse(body) as { order: string }).order);
      response.writeHead(fails ? 503 : 204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/alarms`,
    get calls() {
      return calls;
    },
    alarms,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
