/** The slow service that `examples/06-enrichment.ts` asks, on a real port. Owns who is asking now; a test says how it answers. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface CustomerService {
  readonly url: string;
  /** Customers asked for, in the order of the calls. */
  readonly asked: readonly string[];
}

/** `answer` may answer late, or never. Gone when the test is done. */
export async function customerService(answer: (customer: string, response: ServerResponse, nth: number) => void): Promise<CustomerService> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const customer = decodeURIComponent((request.url ?? "").replace("/customers/", ""));
    asked.push(customer);
    answer(customer, response, asked.filter((each) => each === customer).length);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** What it says of a customer that it knows. */
export function nameOf(customer: string): string {
  return `${customer} of Example`;
}

export function tell(customer: string, response: ServerResponse): void {
  response.end(JSON.stringify({ name: nameOf(customer) }));
}
