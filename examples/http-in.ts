/**
 * Visits that are posted to the pipeline: a minute after the first one of a page, by event time, it tells how many there
 * were, though nothing may come any more. Run it with `millrace run`, and post to /v1/streams/visits/records.
 */
import { Computation, type Context, fromHttp, input, output, Pipeline, state, stream, type StreamRecord, type Timer, timer, toConsole } from "../src/index.ts";

interface Visit {
  readonly page: string;
  readonly at: number;
}
interface Count {
  readonly page: string;
  readonly visits: number;
}

export const visits = stream<Visit>("visits");
export const counts = stream<Count>("counts");

class Counter extends Computation {
  readonly visits = input(visits, { key: (visit) => visit.page });
  readonly counts = output(counts);
  readonly count = state("count", { initial: 0 });
  readonly minute = timer("minute");

  override processRecord(record: StreamRecord<Visit>, context: Context): void {
    const count = context.state(this.count);
    if (count.get() === 0) context.setTimer(this.minute, record.timestamp + 60_000);
    count.set(count.get() + 1);
  }

  override processTimer(_: Timer, context: Context): void {
    const count = context.state(this.count);
    context.produce(this.counts, { page: context.key, visits: count.get() });
    count.set(0);
  }
}

export default new Pipeline("visits")
  .inject("visits", visits, fromHttp<Visit>({ timestamp: (visit) => visit.at }))
  .compute("counter", Counter)
  .sink("out", counts, toConsole());
