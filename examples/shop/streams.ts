/** What travels through the shop's pipeline. Times are ms since the epoch. */
import { stream } from "../../src/index.ts";

export interface Order {
  readonly id: string;
  readonly country: string;
  readonly total: number;
  readonly placedAt: number;
}
export interface Payment {
  readonly order: string;
  readonly paidAt: number;
}
/** The answer to the request that placed an order. */
export interface Receipt {
  readonly request: string;
  readonly order: string;
  readonly payBefore: number;
}
export interface Unpaid {
  readonly order: string;
  readonly total: number;
  readonly placedAt: number;
}
export interface Revenue {
  readonly country: string;
  readonly orders: number;
  readonly revenue: number;
}

export const orders = stream<Order>("orders");
export const payments = stream<Payment>("payments");
export const receipts = stream<Receipt>("receipts");
export const unpaid = stream<Unpaid>("unpaid");
export const paid = stream<Order>("paid");
export const revenue = stream<Revenue>("revenue");
