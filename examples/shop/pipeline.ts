/** The shop: orders and payments come over HTTP, alarms leave through a webhook, totals through a Redis Stream. */
import { exponential, fromHttp, Pipeline, trailingClock } from "../../src/index.ts";
import { toRedisStream } from "../../src/redis-streams/index.ts";
import { PaymentWatch } from "./payment-watch.ts";
import { RevenueCount } from "./revenue-count.ts";
import { type Order, orders, type Payment, payments, receipts, revenue, unpaid } from "./streams.ts";

export interface ShopOptions {
  /** ms that a minute of the shop takes: 60,000, and less to see it sooner. */
  readonly minute: number;
  readonly redis: string;
  /** Told of each unpaid order. */
  readonly webhook: string;
}

export function shop({ minute, redis, webhook }: ShopOptions): Pipeline {
  return (
    new Pipeline("shop", { shards: 8 })
      .inject("orders", orders, fromHttp<Order>({ timestamp: (order) => order.placedAt, id: (order) => order.id, watermark: trailingClock(5 * minute) }))
      // The provider tells of payments up to an hour after they were made.
      .inject(
        "payments",
        payments,
        fromHttp<Payment>({ timestamp: (payment) => payment.paidAt, id: (payment) => payment.order, watermark: trailingClock(60 * minute) }),
      )
      .compute("payment-watch", () => new PaymentWatch(15 * minute))
      .compute("revenue-count", RevenueCount)
      .reply("receipts", receipts, { to: (receipt) => receipt.request })
      .effect(
        "notify",
        unpaid,
        async ({ value }, { idempotencyKey, signal }) => {
          const headers = { "content-type": "application/json", "idempotency-key": idempotencyKey };
          const response = await fetch(webhook, { method: "POST", headers, body: JSON.stringify(value), signal });
          if (!response.ok) throw new Error(`the webhook answered ${response.status}`);
        },
        { attempts: 20, backoff: exponential(200, 10_000) },
      )
      .sink("revenue", revenue, toRedisStream("shop:revenue", { connection: redis }))
  );
}
