/**
 * A process of its own for `test/worker/rejection-watch.test.ts`: pipelines in a program that also has promises of its own.
 * It says what it sees, a line each, and ends of the rejection that is no pipeline's.
 */
import { Computation, fromIterable, input, MemoryStore, Pipeline, run, type RunOptions, stream, type StreamRecord } from "../../src/index.ts";

const say = (...words: unknown[]): void => console.log(words.map((word) => (typeof word === "string" ? word : JSON.stringify(word))).join(" "));
const names = stream<string>("names");

class Forgetting extends Computation {
  readonly names = input(names, { key: (name) => name });
  override processRecord({ value }: StreamRecord<string>): void {
    if (value === "bob") void later("no one waited for bob");
  }
}

async function later(text: string): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  throw new Error(text);
}

/** It gives its records, and waits for more. */
async function* endless(all: readonly string[]) {
  for (const [at, value] of all.entries()) yield { value, position: at, timestamp: at };
  await new Promise(() => {});
}

async function begin(name: string, all: readonly string[], options: Partial<RunOptions> = {}) {
  let heard = (): void => {};
  const told = new Promise<void>((resolve) => (heard = resolve));
  const pipeline = new Pipeline(name, { shards: 1 })
    .inject(
      "names",
      names,
      fromIterable(() => endless(all)),
    )
    .compute("forgetting", Forgetting);
  const log = (level: string, text: string, fields: object): void => {
    if (level !== "error") return;
    const { stack, ...rest } = fields as { stack: string };
    say(level, text, rest, stack.includes("at async") || stack.includes("later"));
    heard();
  };
  const running = await run(pipeline, { store: new MemoryStore(), http: { port: 0 }, log, ...options });
  const ask = async (path: string): Promise<string> => (await fetch(`${running.url}${path}`)).text();
  const counted = async () => [...(await ask("/metrics")).matchAll(/^millrace_unhandled_rejections_total(\S* .*)$/gm)].map(([, line]) => line);
  return { running, told, ask, counted };
}

const plain = await begin("plain", []);
say("unasked", process.listenerCount("unhandledRejection"), await plain.ask("/healthz"), await plain.counted());
const own = (): void => {};
process.on("unhandledRejection", own);
say("listening itself", await plain.ask("/healthz"), await plain.counted());
process.off("unhandledRejection", own);
await plain.running.stop();

const asked = { reportRejections: true };
const [first, second] = [await begin("first", ["ann", "bob"], asked), await begin("second", ["ann"], asked)];
await first.told;
say("first", await first.ask("/healthz"), await first.counted());
say("second", await second.ask("/healthz"), await second.counted());
await first.running.stop();
say("one stopped", process.listenerCount("unhandledRejection"));
await second.running.stop();
say("both stopped", process.listenerCount("unhandledRejection"));

await begin("third", ["ann"], asked);
void later("the program's own");
setTimeout(() => say("lived on"), 5_000);
