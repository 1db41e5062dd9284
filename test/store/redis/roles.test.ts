/**
 * The users of docs/redis.md on a server with TLS whose certificate an authority of our own has signed: a worker, the
 * commands that look, and those that operate, each as people start them, by `rediss://`, with the rights of its role alone.
 */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { Redis } from "ioredis";
import { expect, onTestFinished, test, vi } from "vitest";
import { fromIterable, Pipeline, RedisStore, run, StoreRefusedError, stream, toCallback } from "../../../src/index.ts";
import { type Command, LIBRARY, Workplace } from "../../cli/commands.ts";
import { documentText } from "../../repo/document-tables.ts";
import { root } from "../../repo/project-files.ts";
import { startRedis } from "../../support/redis-server.ts";

vi.setConfig({ testTimeout: 240_000 });

const CERTIFICATES = join(root, "test/store/redis/certificates");
const AUTHORITY = { NODE_EXTRA_CA_CERTS: join(CERTIFICATES, "ca.pem") };

/** The name of the connection, which is given where that is allowed and done without elsewhere. */
const HARMLESS: readonly string[] = ["client|setname", "client|setinfo"];

/** Counts the lines of a file that is followed. */
const PIPELINE = `
import { Computation, fromFile, input, output, Pipeline, state, stream, timer, toFile } from ${JSON.stringify(LIBRARY)};
const words = stream<string>("words");
const totals = stream<string>("totals");
class Counter extends Computation {
  readonly words = input(words, { key: (word) => word });
  readonly totals = output(totals);
  readonly count = state("count", { initial: 0 });
  readonly later = timer("later");
  processRecord(record, context) {
    context.state(this.count).update((count) => count + 1);
    context.setTimer(this.later, record.timestamp + 60_000);
    context.produce(this.totals, context.key + " " + context.state(this.count).get());
  }
  processTimer() {}
}
export default new Pipeline("words", { shards: 2 })
  .inject("words", words, fromFile("words.ndjson", { follow: true, timestamp: () => 1_000 }))
  .compute("counter", Counter)
  .sink("totals", totals, toFile("totals.ndjson"));
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A server that speaks TLS, with the users of the document. */
async function server() {
  const port = await freePort();
  const file = (name: string) => join(CERTIFICATES, name);
  const args = ["--tls-port", String(port), "--tls-cert-file", file("server.pem"), "--tls-key-file", file("server-key.pem")];
  const redis = await startRedis({ args: [...args, "--tls-ca-cert-file", file("ca.pem"), "--tls-auth-clients", "no"] });
  onTestFinished(async () => redis.stop());
  const admin = new Redis(redis.socket);
  onTestFinished(() => admin.disconnect());
  const rules = [...documentText("docs/redis.md").matchAll(/^ACL SETUSER (\w+) on >PASSWORD (.*)$/gm)];
  expect(rules.map(([, user]) => user)).toEqual(["millrace", "auditor", "operator"]);
  for (const [, user = "", rule = ""] of rules) await admin.call("ACL", "SETUSER", user, "reset", "on", ">secret", ...rule.split(" "));
  await admin.call("ACL", "SETUSER", "default", "-@all", "+acl", "+ping");
  const urlOf = (user: string) => `rediss://${user}:secret@localhost:${port}/0`;
  return { redis, admin, urlOf };
}

/** What the sink has written so far. */
const totals = (workplace: Workplace): string[] => (existsSync(join(workplace.directory, "totals.ndjson")) ? workplace.lines("totals.ndjson").toSorted() : []);

async function stopped(command: Command): Promise<void> {
  command.process.kill("SIGTERM");
  expect((await command.ended).code).toBe(0);
}

test("over TLS, a pipeline runs and is inspected with a worker's rights, is audited with those to look, and is moved and reset with an operator's", async () => {
  const { admin, urlOf } = await server();
  const workplace = new Workplace();
  workplace.write("words.ts", PIPELINE);
  workplace.write("words.ndjson", '"tea"\n"milk"\n"tea"\n');
  const as = async (user: string, ...args: string[]) => await workplace.run(args, { ...AUTHORITY, MILLRACE_STORE: urlOf(user) });

  const worker = workplace.start(["run", "words.ts", "--port", "0"], { ...AUTHORITY, MILLRACE_STORE: urlOf("millrace") });
  const [, url = ""] = await worker.hasSaid(/(http:\/\/[\d.:]+)\/v1\/watermarks/);
  await expect.poll(() => totals(workplace), { timeout: 60_000 }).toEqual(['"milk 1"', '"tea 1"', '"tea 2"']);
  const [inspected, audited, shown, started] = await Promise.all([
    workplace.run(["inspect", "--url", url]),
    as("auditor", "audit"),
    as("auditor", "reset", "counter"),
    as("auditor", "run", "words.ts", "--no-http"),
  ]);
  expect([inspected.code, inspected.out]).toEqual([0, expect.stringContaining("counter")]);
  expect([audited.code, audited.out]).toEqual([0, expect.stringContaining("words")]);
  // Who may only look may not run, nor change: told which right is missing, without a word of the password.
  for (const { code, errors } of [started, shown]) {
    expect([code, errors]).toEqual([2, expect.stringMatching(/error: rediss:\/\/localhost:\d+\/0.*(ACL SETUSER|worker that is alive)/s)]);
    expect(errors).not.toContain("secret");
  }
  expect(started.errors).toContain("ACL SETUSER");
  await stopped(worker);

  const exported = await as("operator", "export", "words.out");
  expect([exported.code, exported.out]).toEqual([0, expect.stringContaining("2 values of state, 2 timers")]);
  expect((await as("operator", "reset", "counter", "--yes")).code).toBe(0);
  const refused = await as("auditor", "reset", "counter", "--yes");
  expect([refused.code, refused.errors]).toEqual([2, expect.stringContaining("ACL SETUSER")]);
  // All that was refused was tried by the auditor: no one else needs more than its rule.
  const log = (await admin.call("ACL", "LOG", "128")) as unknown[][];
  const of = (entry: unknown[], field: string) => entry[entry.indexOf(field) + 1];
  const others = log.filter((entry) => of(entry, "username") !== "auditor").map((entry) => of(entry, "object"));
  expect(others.filter((object) => !HARMLESS.includes(String(object)))).toEqual([]);
});

test("a server whose authority is not known is told by one sentence, and a right that is taken away by a typed error", async () => {
  const { redis, admin, urlOf } = await server();
  const workplace = new Workplace();
  workplace.write("words.ts", PIPELINE);
  workplace.write("words.ndjson", "");
  const { code, errors } = await workplace.run(["run", "words.ts", "--no-http"], { MILLRACE_STORE: urlOf("millrace") });
  expect([code, errors]).toEqual([1, expect.stringMatching(/error: .*certificate/)]);
  expect(errors).not.toContain("secret");

  await admin.call("ACL", "SETUSER", "millrace", "-rpush");
  const words = stream<string>("words");
  const pipeline = new Pipeline("few-rights")
    .inject(
      "words",
      words,
      fromIterable(() => []),
    )
    .sink(
      "out",
      words,
      toCallback(() => {}),
    );
  const refused = run(pipeline, { store: new RedisStore({ path: redis.socket, username: "millrace", password: "secret" }), log: () => {} });
  await expect(refused).rejects.toThrow(StoreRefusedError);
  await expect(refused).rejects.toMatchObject({ code: "store-refused", message: expect.stringContaining("ACL SETUSER") });
});
