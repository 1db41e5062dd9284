/**
 * The same alarm as it is usually written: a job that looks fifteen minutes later whether the payment is there. It is
 * right as long as payments are told of at once; here the provider may take an hour.
 */
import { Queue, Worker } from "bullmq";
import type { Order, Payment } from "./streams.ts";

export class DelayedJobAlarm {
  readonly alarms: string[] = [];
  readonly #paid = new Set<string>();
  readonly #queue: Queue;
  readonly #worker: Worker;
  readonly #delay: number;

  constructor(redis: string, minute: number) {
    this.#delay = 15 * minute;
    this.#queue = new Queue("unpaid", { connection: { url: redis } });
    this.#worker = new Worker("unpaid", async ({ data }: { data: Order }) => void (this.#paid.has(data.id) || this.alarms.push(data.id)), {
      connection: { url: redis },
    });
  }

  async placed(order: Order): Promise<void> {
    await this.#queue.add("check", order, { delay: this.#delay, jobId: order.id });
  }
  paid(payment: Payment): void {
    this.#paid.add(payment.order);
  }
  async close(): Promise<void> {
    await this.#worker.close();
    await this.#queue.close();
  }
}
