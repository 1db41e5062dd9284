/** A computation that loses a cell and two timers with its next code: what `--drop` leaves behind, for tests of how that is swept away. */
import {
  cbor,
  Computation,
  type Context,
  type Injector,
  input,
  json,
  Pipeline,
  days,
  state,
  stream,
  type StreamRecord,
  timer,
  type Timer,
  timers,
} from "../../src/index.ts";

export interface Visit {
  readonly key: string;
  readonly fail?: boolean;
}

/** What a version of the code calls its parts; undefined: it does not have it. */
export interface Parts {
  readonly seen?: { readonly name: string; readonly renamedFrom?: string; readonly text?: boolean } | undefined;
  readonly due?: { readonly name: string; readonly renamedFrom?: string } | undefined;
  readonly alarm?: { readonly name: string } | undefined;
}

export const OLD: Parts = { seen: { name: "seen" }, due: { name: "due" }, alarm: { name: "alarm" } };
export const NEW: Parts = {};
export const DROP: readonly string[] = ["visits/seen", "visits/due", "visits/alarm"];

const visits = stream<Visit>("visits");
/** Time of the timers of all versions; watermarks below it fire none. */
export const DUE = 10_000_000;

export function dropping(injector: Injector<Visit>, { seen, due, alarm }: Parts, shards = 2, onFailure: "halt-key" | "park" = "halt-key"): Pipeline {
  class Visits extends Computation {
    readonly visits = input(visits, { key: (visit) => visit.key });
    readonly count = state("count", { initial: 0 });
    readonly stay = timers<string>("stay");
    // What the class does not have is no field of it.
    readonly seen =
      seen && state(seen.name, { initial: "", ttl: days(400), renamedFrom: seen.renamedFrom, codec: seen.text ? json<string>() : cbor<string>() });
    readonly due = due && timers<string>(due.name, { renamedFrom: due.renamedFrom });
    readonly alarm = alarm && timer(alarm.name, { clock: "wall" });
    override processRecord(record: StreamRecord<Visit>, context: Context): void {
      context.state(this.count).update((count) => count + 1);
      context.setTimer(this.stay.for("s"), DUE);
      if (this.seen) context.state(this.seen).update((before) => `${before}x`);
      if (this.due) context.setTimer(this.due.for("d"), record.value.fail ? record.timestamp : DUE, { output: record.timestamp });
      // It holds the watermark at the record that set it.
      if (this.alarm) context.setTimer(this.alarm, context.now() + days(300));
    }
    override processTimer(fired: Timer<string> | Timer<undefined>): void {
      if (!fired.is(this.stay)) throw new Error("it never works");
    }
  }
  return new Pipeline("dropping", { shards }).inject("feed", visits, injector).compute("visits", Visits, { attempts: 1, onFailure });
}
