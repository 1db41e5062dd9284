/** The pipeline that audits are tested on: it leaves behind something of everything that is stored. */
import {
  ascending,
  Computation,
  type Context,
  exponential,
  type Injector,
  input,
  output,
  Pipeline,
  type Sink,
  state,
  stream,
  type StreamRecord,
  timer,
  type Timer,
  timers,
} from "../../src/index.ts";
import { Feed } from "../worker/feed.ts";

export interface Order {
  readonly id: string;
  readonly buyer: string;
  readonly do?: "hold" | "fail" | "refuse" | "wait" | "release" | undefined;
}

const orders = stream<Order>("orders");
const totals = stream<string>("totals");
const DAY = 86_400_000;

class Shop extends Computation {
  readonly orders = input(orders, {
    key: (order) => {
      if (order.do === "refuse") throw new Error("no buyer");
      return order.buyer;
    },
  });
  readonly totals = output(totals);
  readonly total = state("total", { initial: 0 });
  readonly recent = state("recent", { initial: 0, ttl: 10 * DAY });
  readonly closing = timers<number>("closing");
  readonly reminder = timer("reminder", { clock: "wall" });

  async slow(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 30));
  }

  override processRecord(record: StreamRecord<Order>, context: Context): void | Promise<void> {
    if (record.value.do === "fail") throw new Error("this order never works");
    context.state(this.total).update((total) => total + 1);
    context.state(this.recent).set(record.timestamp);
    context.setTimer(this.closing.for(record.timestamp % 7), record.timestamp + 500, { output: record.timestamp + 100 });
    context.setTimer(this.reminder, context.now() + DAY);
    if (record.value.do === "hold") context.hold(record.timestamp);
    if (record.value.do === "release") context.hold(undefined);
    context.produce(this.totals, `${context.key} ${context.state(this.total).get()}`);
    return record.value.do === "wait" ? this.slow() : undefined;
  }

  override processTimer(due: Timer<number> | Timer<undefined>, context: Context): void {
    context.state(this.total).update((total) => total + 1);
    context.produce(this.totals, `${context.key} closes`);
    if (context.state(this.total).get() % 5 === 0) context.clear();
    else if (due.is(this.reminder)) context.setTimer(this.reminder, context.now() + DAY);
  }
}

export interface ShopOptions {
  readonly source: Injector<Order>;
  readonly sink: Sink<string>;
  readonly shards?: number;
}

export function shopPipeline({ source, sink, shards = 2 }: ShopOptions): Pipeline {
  return new Pipeline("shop", { shards })
    .inject("till", orders, source)
    .compute("shop", Shop, { attempts: 2, backoff: exponential(5, 10), onFailure: "halt-key" })
    .sink("board", totals, sink);
}

export const tillFeed = (): Feed<Order> => new Feed<Order>({ id: (order) => (order as Order).id, idRetention: 1_000, watermark: ascending() });
