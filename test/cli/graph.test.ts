import { expect, test, vi } from "vitest";
import { LIBRARY, Workplace } from "./commands.ts";

/** Each command is a process that loads the sources anew, and the machine may be busy. */
vi.setConfig({ testTimeout: 300_000 });

const PIPELINE = `import { byHand, Computation, fromIterable, input, output, Pipeline, seconds, state, stream, timers, toConsole } from "${LIBRARY}";
  const words = stream("words");
  const counts = stream("counts");
  const unread = stream("unread");
  class Counter extends Computation {
    words = input(words, { key: (word) => word });
    counts = output(counts);
    unread = output(unread);
    count = state("count", { initial: 0, ttl: seconds(90) });
    closing = timers("closing");
    processRecord() {}
    processTimer() {}
  }
  export default new Pipeline("shown", { shards: 4 })
    .inject("feed", words, fromIterable(() => [], { watermark: byHand() }))
    .compute("counter", Counter, { attempts: 3 })
    .sink("report", counts, toConsole());`;

test("a graph is shown as text, explained, as Mermaid and as JSON, and nothing is run", async () => {
  const workplace = new Workplace();
  workplace.write("shown.mjs", PIPELINE);
  const run = (...args: string[]) => workplace.run(["graph", "shown.mjs", ...args]);
  const [text, explained] = await Promise.all([run(), run("--explain")]);
  const [mermaid, json, missing] = await Promise.all([run("--mermaid"), run("--json"), workplace.run(["graph", "none.mts"])]);
  expect(text.out).toBe(`pipeline shown: 3 participants, 4 shards a computation

injector feed
  reads iterable
  -> words

computation counter
  <- words
  -> counts
  -> unread

sink report
  writes console
  <- counts
`);
  expect(explained.out).toContain(`  hops: 1, each record is committed once before it is done here
  shards: 4, so at most 4 workers have a part of it
  state: count (cbor, for 1 min 30 s after it was written)
  timers: closing (by event time, one a key and tag)
  on failure: 3 tries, then park
  feeds: report
`);
  expect(explained.out).toContain(
    "  watermark: by hand\n  hops: 0, records come in here\n  shards: 1, so at most 1 worker has a part of it\n  feeds: counter\n",
  );
  expect(mermaid.out).toBe(`flowchart LR
  n0(["feed"])
  n1["counter<br><small>count, closing timer</small>"]
  n2[("report")]
  n0 -->|words| n1
  n1 -->|counts| n2
`);
  expect(JSON.parse(json.out)).toMatchObject({
    pipeline: "shown",
    participants: [
      { name: "feed", hops: 0, shards: 1, consumers: ["counter"] },
      { name: "counter", hops: 1, shards: 4, consumers: ["report"] },
      { name: "report", hops: 2 },
    ],
  });
  expect([missing.code, missing.errors]).toEqual([2, "error: there is no file none.mts\n"]);
});
