/** What was paid so far, by country. */
import { Computation, type Context, input, output, state, type StreamRecord } from "../../src/index.ts";
import { type Order, paid, revenue } from "./streams.ts";

export class RevenueCount extends Computation {
  readonly paid = input(paid, { key: (order) => order.country });
  readonly revenue = output(revenue);
  readonly sum = state("sum", { initial: { orders: 0, revenue: 0 } });

  override processRecord({ value }: StreamRecord<Order>, context: Context): void {
    const before = context.state(this.sum).get();
    const sum = { orders: before.orders + 1, revenue: before.revenue + value.total };
    context.state(this.sum).set(sum);
    context.produce(this.revenue, { country: context.key, ...sum });
  }
}
