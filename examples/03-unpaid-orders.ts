/**
 * Two streams joined by key, with a deadline: an order that is not paid within 15 minutes is reported, once. The
 * deadline is event time, so payments that arrive late because their stream lags cause no false alarm; nor does it matter
 * which of the two streams is read first.
 */
import {
  Computation,
  type Context,
  fromFile,
  input,
  minutes,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timer,
  toFile,
} from "../src/index.ts";

export interface Order {
  readonly id: string;
  readonly email: string;
  readonly total: number;
  readonly placedAt: number;
}
export interface Payment {
  readonly orderId: string;
  readonly amount: number;
  readonly paidAt: number;
}

// #region streams
export const orders = stream<Order>("orders");
export const payments = stream<Payment>("payments");
export const settled = stream<{ order: Order; payment: Payment }>("settled-orders");
export const unpaid = stream<Order>("unpaid-orders");
// #endregion

export class PaymentWatch extends Computation {
  // #region declared
  readonly orders = input(orders, { key: (order) => order.id });
  readonly payments = input(payments, { key: (payment) => payment.orderId });
  readonly settled = output(settled);
  readonly unpaid = output(unpaid);
  readonly order = state<Order>("order");
  readonly payment = state<Payment>("payment");
  readonly deadline = timer("deadline");
  // #endregion

  // #region record
  override processRecord(record: StreamRecord<Order> | StreamRecord<Payment>, context: Context): void {
    if (record.is(this.orders)) context.state(this.order).set(record.value);
    else if (record.is(this.payments)) context.state(this.payment).set(record.value);

    const order = context.state(this.order).get();
    const payment = context.state(this.payment).get();
    const deadline = (order?.placedAt ?? record.timestamp) + minutes(15);
    if (order && payment && payment.paidAt < deadline) {
      context.produce(this.settled, { order, payment });
      context.clear();
    } else {
      context.setTimer(this.deadline, deadline);
    }
  }
  // #endregion

  // #region timer
  override processTimer(_timer: Timer, context: Context): void {
    const order = context.state(this.order).get();
    if (order) context.produce(this.unpaid, order);
    context.clear();
  }
  // #endregion
}

// #region pipeline
export default new Pipeline("unpaid-orders")
  .inject("order-log", orders, fromFile("orders.ndjson", { timestamp: (order) => order.placedAt }))
  .inject("payment-log", payments, fromFile("payments.ndjson", { timestamp: (payment) => payment.paidAt }))
  .compute("payment-watch", PaymentWatch)
  .sink("settled", settled, toFile("settled-orders.ndjson"))
  .sink("unpaid", unpaid, toFile("unpaid-orders.ndjson"));
// #endregion
