/** A process of its own for `http.ts`: sends so many lines as one request to the address it is given, and prints the answer. */
import { once } from "node:events";
import { request } from "node:http";

const [, , url = "", records = "0", keys = "1"] = process.argv;
/** Lines written at once. */
const LINES = 500;

const sent = request(url, { method: "POST", headers: { "content-type": "application/x-ndjson", "idempotency-key": "bench" } });
const responded = once(sent, "response");
for (let first = 0; first < Number(records); first += LINES) {
  const count = Math.min(LINES, Number(records) - first);
  const lines = Array.from({ length: count }, (_, i) => `{"key":"k${(first + i) % Number(keys)}","n":${first + i},"padding":"${"x".repeat(60)}"}\n`);
  if (!sent.write(lines.join(""))) await once(sent, "drain");
}
sent.end();
const [response] = await responded;
let text = "";
for await (const chunk of response) text += String(chunk);
process.stdout.write(`${response.statusCode} ${text}`);
