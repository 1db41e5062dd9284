/** What docs/flow.md shows. It has to compile as it stands; that it works is shown beside each feature. */
import { Computation, type Context, hours, input, Pipeline, state, stream, type StreamRecord } from "../../src/index.ts";
import { fromFile } from "./edges.ts";

interface Order {
  id: string;
  at: number;
}
interface Click {
  orderId: string;
  at: number;
}
const orders = stream<Order>("orders");
const clicks = stream<Click>("clicks");

class Join extends Computation {
  readonly orders = input(orders, { key: (order) => order.id });
  readonly clicks = input(clicks, { key: (click) => click.orderId });
  readonly seen = state("seen", { initial: 0 });
  override processRecord(_record: StreamRecord<Order> | StreamRecord<Click>, context: Context) {
    context.state(this.seen).update((seen) => seen + 1);
  }
}

// #region skew
export const joined = new Pipeline("clicks-of-orders")
  .inject("orders", orders, fromFile("orders.ndjson", { timestamp: (order) => order.at }), { maxSkew: hours(1) })
  .inject("clicks", clicks, fromFile("clicks.ndjson", { timestamp: (click) => click.at }), { maxSkew: hours(1) })
  .compute("join", Join);
// #endregion
