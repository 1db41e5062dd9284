/** A value that is handed to a receiver in the same worker is the receiver's own, whatever anyone does to it. */
import { expect, test } from "vitest";
import {
  Computation,
  type Context,
  exponential,
  fromIterable,
  input,
  MemoryStore,
  output,
  Pipeline,
  run,
  stream,
  type StreamRecord,
  toCallback,
} from "../../src/index.ts";

interface Order {
  readonly id: string;
  readonly lines: { qty: number }[];
}

const orders = stream<Order>("orders");
const changed = stream<Order>("changed");

/** Changes what it is given in place, as nobody should. */
class Careless extends Computation {
  readonly orders = input(orders, { key: ({ id }) => id });
  readonly changed = output(changed);
  readonly #seen: (lines: readonly number[]) => void;
  #failures: number;

  constructor(seen: (lines: readonly number[]) => void, failures: number) {
    super();
    this.#seen = seen;
    this.#failures = failures;
  }

  override processRecord({ value }: StreamRecord<Order>, context: Context): void {
    this.#seen(value.lines.map(({ qty }) => qty));
    context.produce(this.changed, value);
    for (const line of value.lines) line.qty += 100;
    value.lines.push({ qty: -1 });
    if (this.#failures-- > 0) throw new Error("once more");
  }
}

test("what a handler does to its record is seen by no other consumer, no later attempt, not its producer and nobody it was sent to before", async () => {
  const [given, one, other, sent]: [Order, number[][], number[][], number[][]] = [{ id: "a", lines: [{ qty: 1 }, { qty: 2 }] }, [], [], []];
  const pipeline = new Pipeline("careless", { shards: 2 })
    .inject(
      "source",
      orders,
      fromIterable(() => [given, given].map((value, n) => ({ value, position: n })), { timestamp: () => 1 }),
    )
    .compute("one", () => new Careless((lines) => one.push([...lines]), 2), { attempts: 5, backoff: exponential(1, 1) })
    .compute("other", () => new Careless((lines) => other.push([...lines]), 0))
    .sink(
      "sent",
      changed,
      toCallback((record: StreamRecord<Order>) => {
        sent.push(record.value.lines.map(({ qty }) => qty));
        record.value.lines.length = 0;
      }),
    );
  const running = await run(pipeline, { store: new MemoryStore() });
  await running.finished;
  await running.stop();
  expect(given).toEqual({ id: "a", lines: [{ qty: 1 }, { qty: 2 }] });
  expect(one).toEqual(Array.from({ length: 4 }, () => [1, 2]));
  expect(other).toEqual(Array.from({ length: 2 }, () => [1, 2]));
  expect(sent).toEqual(Array.from({ length: 4 }, () => [1, 2]));
});
