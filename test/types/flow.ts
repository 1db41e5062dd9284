/** What docs/flow.md shows. It has to compile as it stands; that it works is shown beside each feature. */
import { Computation, type Context, hours, input, minutes, Pipeline, state, stream, type StreamRecord, twoPhase, type WindowTotal } from "millrace";
import { fromFile, toFile } from "./edges.ts";

interface Order {
  id: string;
  at: number;
}
interface Click {
  orderId: string;
  at: number;
}
interface Sale {
  shop: string;
  receipt: string;
  cents: number;
  at: number;
}
const sales = stream<Sale>("sales");
const revenues = stream<WindowTotal<number>>("revenues");
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

// #region switch
const unchecked = fromFile<Sale>("sales.ndjson", { id: (sale) => sale.receipt, deduplicate: false });
// #endregion
export const atLeastOnce = new Pipeline("at-least-once").inject("sales", sales, unchecked);

// #region two-phase
const revenue = twoPhase("revenue", {
  from: sales,
  key: (sale) => sale.shop,
  spreadBy: (sale) => sale.receipt,
  to: revenues,
  window: minutes(1),
  initial: () => 0,
  add: (total, sale) => total + sale.cents,
  merge: (one, other) => one + other,
});

export const perShop = new Pipeline("revenues")
  .inject("sales", sales, fromFile("sales.ndjson", { timestamp: (sale) => sale.at }))
  .compute("revenue-partial", revenue.partial)
  .compute("revenue", revenue.merged)
  .sink("revenues", revenues, toFile("revenues.ndjson"));
// #endregion
