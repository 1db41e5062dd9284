/**
 * Joins orders with their payments, and reports those that were not paid in time. "In time" is event time: the timer
 * fires when everything that was paid before the deadline has been seen, however long that takes to come.
 */
import { Computation, type Context, input, output, state, type StreamRecord, type Timer, timer } from "../../src/index.ts";
import { type Order, orders, paid, type Payment, payments, receipts, unpaid } from "./streams.ts";

export class PaymentWatch extends Computation {
  readonly orders = input(orders, { key: (order) => order.id });
  readonly payments = input(payments, { key: (payment) => payment.order });
  readonly receipts = output(receipts);
  readonly paid = output(paid);
  readonly unpaid = output(unpaid);
  readonly order = state<Order>("order");
  readonly payment = state<Payment>("payment");
  readonly deadline = timer("deadline");
  readonly #patience: number;

  /** `patience`: ms that a customer has to pay. */
  constructor(patience: number) {
    super();
    this.#patience = patience;
  }

  override processRecord(record: StreamRecord<Order> | StreamRecord<Payment>, context: Context): void {
    if (record.is(this.orders)) {
      const order = record.value;
      context.state(this.order).set(order);
      context.produce(this.receipts, { request: record.id, order: order.id, payBefore: order.placedAt + this.#patience });
    } else if (record.is(this.payments)) context.state(this.payment).set(record.value);

    const order = context.state(this.order).get();
    const payment = context.state(this.payment).get();
    if (order && payment && payment.paidAt <= order.placedAt + this.#patience) {
      context.produce(this.paid, order, { timestamp: Math.max(record.timestamp, context.outputFloor) });
      context.clear();
    } else context.setTimer(this.deadline, (order?.placedAt ?? record.timestamp) + this.#patience);
  }

  override processTimer(_timer: Timer, context: Context): void {
    const order = context.state(this.order).get();
    if (order) context.produce(this.unpaid, { order: order.id, total: order.total, placedAt: order.placedAt });
    context.clear();
  }
}
