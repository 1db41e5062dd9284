import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { expect, test, vi } from "vitest";
import type { WatermarksView } from "../../src/inspect/views.ts";
import { LIBRARY, Workplace } from "./commands.ts";

/** Each command is a process that loads the sources anew, and the machine may be busy. */
vi.setConfig({ testTimeout: 120_000 });

/** A pipeline whose input promises one time and then waits. */
const WAITING = `import { byHand, Computation, fromIterable, input, Pipeline, stream, timers, watermarkMark } from "${LIBRARY}";
  const numbers = stream("numbers");
  class Taker extends Computation {
    numbers = input(numbers, { key: String });
    early = timers("early", { percentile: 99.5 });
    processRecord() {}
    processTimer() {}
  }
  async function* waiting() {
    yield watermarkMark(1, 1_700_000_000_000);
    await new Promise(() => {});
  }
  setInterval(() => {}, 1_000);
  export default new Pipeline("waiting", { shards: 2 }).inject("clock", numbers, fromIterable(() => waiting(), { watermark: byHand() })).compute("taker", Taker);`;

const TIME = "2023-11-14 22:13:20";
const PERCENTILE = ` +99\\.5% +${TIME} +${TIME} *`;
/** Below each participant, what it follows beside its low watermark. */
const ROWS = new RegExp(
  `^ +status +input +output +lag +for\\nclock +live +${TIME} +${TIME} +\\d+ d \\d+ h .+\\n${PERCENTILE}\\ntaker +live .+\\n${PERCENTILE}\\n\\n`,
);

test("the watermarks of a running pipeline are shown with what holds them", async () => {
  const workplace = new Workplace();
  workplace.write("waiting.mjs", WAITING);
  const running = workplace.start(["run", "waiting.mjs", "--store", "memory:", "--port", "0"]);
  const [, url = ""] = await running.hasSaid(/(http:\/\/127\.0\.0\.1:\d+)\//);
  const come = async () =>
    ((await (await fetch(`${url}/v1/watermarks`)).json()) as WatermarksView).participants.every(
      ({ output, percentiles }) => output === 1_700_000_000_000 && percentiles?.[0]?.output === output,
    );
  await expect.poll(come, { interval: 20, timeout: 10_000 }).toBe(true);
  const [table, json, shards, wrong] = await Promise.all(
    [[], ["--json"], ["taker"], ["nobody"]].map(async (args) => workplace.run(["watermarks", "--url", url, ...args])),
  );
  expect(table?.code).toBe(0);
  expect(table?.out).toMatch(ROWS);
  expect(table?.out).toContain('clock, taker held by injector "clock" (by hand) promises nothing later than 2023-11-14T22:13:20.000Z');
  const metrics = await (await fetch(`${url}/metrics`)).text();
  for (const which of ["input", "output"])
    expect(metrics).toContain(
      `millrace_percentile_${which}_watermark_timestamp_seconds{participant="taker",kind="computation",percentile="99.5"} 1700000000\n`,
    );
  expect((JSON.parse(json?.out ?? "") as WatermarksView).participants.map(({ name, heldBy }) => [name, heldBy?.kind])).toEqual([
    ["clock", "promise"],
    ["taker", "promise"],
  ]);
  expect(shards?.out).toMatch(/^taker +owner +input +output +waiting\nshard 0 .+ 0\nshard 1 .+ 0\n\nshard 0, shard 1 held by injector "clock"/);
  expect([wrong?.code, wrong?.errors]).toEqual([2, expect.stringContaining("no participant of this name; it has clock, taker")]);
  running.process.kill("SIGINT");
  expect((await running.ended).code).toBe(0);
});

test("where nothing runs it says so", async () => {
  const workplace = new Workplace();
  const url = await unusedUrl();
  const [nothing, mistaken] = await Promise.all([workplace.run(["watermarks", "--url", url]), workplace.run(["watermarks", "--url", "7077"])]);
  expect([nothing?.code, nothing?.errors]).toEqual([
    1,
    `error: ${url} does not answer as a Millrace pipeline does (ECONNREFUSED): is it running, with this port?\n`,
  ]);
  expect(mistaken?.code).toBe(2);
});

async function unusedUrl(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${port}`;
}
