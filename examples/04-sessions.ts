/**
 * Sessions: clicks of a user that are less than half an hour apart belong together, in whatever order they arrive. A
 * session is closed when the watermark is that long past its last click; a click that is too late for any goes aside.
 */
import {
  boundedDisorder,
  Computation,
  type Context,
  fromFile,
  input,
  minutes,
  output,
  Pipeline,
  seconds,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timer,
  toFile,
} from "../src/index.ts";

export interface Click {
  readonly user: string;
  readonly page: string;
  readonly at: number;
}
export interface Session {
  readonly user: string;
  readonly start: number;
  readonly end: number;
  readonly pages: readonly string[];
}

export const clicks = stream<Click>("clicks");
export const sessions = stream<Session>("sessions");
export const lateClicks = stream<Click>("late-clicks");

/** A session is [start, end + gap): two that only touch do not merge. */
export class Sessions extends Computation {
  readonly clicks = input(clicks, { key: (click) => click.user });
  readonly sessions = output(sessions);
  readonly late = output(lateClicks);
  readonly open = state<readonly Session[]>("open", { initial: [] });
  readonly nextEnd = timer("next-end");
  readonly #gap: number;

  constructor(options: { readonly gap: number }) {
    super();
    this.#gap = options.gap;
  }

  override processRecord(record: StreamRecord<Click>, context: Context): void {
    const at = record.timestamp;
    const open = context.state(this.open).get();
    const touched = open.filter((session) => at < session.end + this.#gap && session.start < at + this.#gap);
    if (touched.length === 0 && at + this.#gap <= context.watermark) {
      context.produce(this.late, record.value);
      return;
    }
    const merged: Session = {
      user: context.key,
      start: Math.min(at, ...touched.map((session) => session.start)),
      end: Math.max(at, ...touched.map((session) => session.end)),
      pages: [...touched.flatMap((session) => session.pages), record.value.page],
    };
    this.#keep([...open.filter((session) => !touched.includes(session)), merged], context);
  }

  override processTimer(_timer: Timer, context: Context): void {
    const open = context.state(this.open).get();
    const closed = (session: Session) => session.end + this.#gap <= context.watermark;
    for (const session of open.filter(closed)) context.produce(this.sessions, session);
    this.#keep(
      open.filter((session) => !closed(session)),
      context,
    );
  }

  /** Nothing stays behind of a user without an open session. */
  #keep(open: readonly Session[], context: Context): void {
    if (open.length === 0) {
      context.clear();
      return;
    }
    context.state(this.open).set(open);
    context.setTimer(this.nextEnd, Math.min(...open.map((session) => session.end)) + this.#gap);
  }
}

export default new Pipeline("sessions")
  .inject(
    "click-log",
    clicks,
    fromFile("clicks.ndjson", { timestamp: (click) => click.at, watermark: boundedDisorder(seconds(30), { idleAfter: minutes(1) }) }),
  )
  .compute("session-builder", () => new Sessions({ gap: minutes(30) }))
  .sink("sessions", sessions, toFile("sessions.ndjson"))
  .sink("late-clicks", lateClicks, toFile("late-clicks.ndjson"));
