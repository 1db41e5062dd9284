/** The shop's customers, and its payment provider: most pay at once, some are told of late, some never pay. */
import type { Order, Payment } from "./streams.ts";

export interface Visit {
  readonly order: Order;
  /** Shop minutes after the first order. */
  readonly at: number;
  /** undefined: it is never paid. `told`: when the shop hears of it, in shop minutes after the first order. */
  readonly payment: { readonly at: number; readonly told: number } | undefined;
}

const COUNTRIES = ["AT", "FR", "SE", "PT"];

/** `count` visits, one every two shop minutes. Of every ten, six are told of at once, three late, one never pays. */
export function visits(count: number, start: number, minute: number): Visit[] {
  return Array.from({ length: count }, (_, i) => {
    const at = 2 * i;
    const order = {
      id: `order-${i}`,
      country: COUNTRIES[i % COUNTRIES.length] as string,
      total: 10 + ((7 * i) % 90),
      placedAt: Math.round(start + at * minute),
    };
    const kind = i % 10;
    if (kind === 9) return { order, at, payment: undefined };
    const paid = at + 1 + (i % 9);
    return { order, at, payment: { at: paid, told: kind < 6 ? paid + 1 : paid + 25 + 3 * kind } };
  });
}

/** The payment of a visit, as the provider tells it. */
export function paymentOf({ order, payment }: Visit, start: number, minute: number): Payment | undefined {
  return payment === undefined ? undefined : { order: order.id, paidAt: Math.round(start + payment.at * minute) };
}
