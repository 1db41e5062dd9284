/**
 * Orders get the name of their customer from a slow HTTP service. Customers are looked up at the same time, each one's
 * orders one after the other, and a slow customer holds up no other one. A name that was found is kept for ten minutes.
 *
 * A call that fails, or takes more than two seconds, leaves no trace and is tried again; after four tries the order is
 * parked in dead letters, where it can be retried. All customers that have orders waiting are asked at once: where the
 * service can bear only so many calls, make it an effect with `concurrency` and `results`.
 */
import {
  Computation,
  type Context,
  exponential,
  fromFile,
  input,
  minutes,
  output,
  Pipeline,
  seconds,
  state,
  stream,
  type StreamRecord,
  toFile,
} from "../src/index.ts";

export interface Order {
  readonly id: string;
  readonly customer: string;
  readonly at: number;
}
export interface NamedOrder extends Order {
  readonly name: string;
}

export const orders = stream<Order>("orders");
export const namedOrders = stream<NamedOrder>("named-orders");

export class Enrichment extends Computation {
  readonly orders = input(orders, { key: (order) => order.customer });
  readonly named = output(namedOrders);
  readonly name = state<string>("name", { ttl: minutes(10) });
  readonly #service: string;

  constructor(options: { readonly service: string }) {
    super();
    this.#service = options.service;
  }

  override async processRecord(record: StreamRecord<Order>, context: Context): Promise<void> {
    const name = context.state(this.name).get() ?? (await this.#lookUp(context.key, context.signal));
    context.state(this.name).set(name);
    context.produce(this.named, { ...record.value, name });
  }

  /** The signal is aborted at the time limit, so that no call goes on for nothing. */
  async #lookUp(customer: string, signal: AbortSignal): Promise<string> {
    const response = await fetch(`${this.#service}/customers/${encodeURIComponent(customer)}`, { signal });
    if (!response.ok) throw new Error(`the customer service answered ${response.status}`);
    const { name } = (await response.json()) as { readonly name: string };
    return name;
  }
}

export default new Pipeline("enrichment")
  .inject("order-log", orders, fromFile("orders.ndjson", { timestamp: (order) => order.at }))
  .compute("enrichment", () => new Enrichment({ service: process.env["CUSTOMER_SERVICE"] ?? "http://127.0.0.1:7080" }), {
    timeLimit: seconds(2),
    attempts: 4,
    backoff: exponential(200, seconds(10)),
  })
  .sink("named-orders", namedOrders, toFile("named-orders.ndjson"));
