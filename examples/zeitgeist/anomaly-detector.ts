/**
 * Compares windows with what their airport does at this time of the week. Keyed by airport and weekday: a key's model
 * and its looping timer are for the 96 quarter hours of that day.
 *
 * D1  A spike is seen at once, by the count of a window that may still be open.
 * D2  A dip is seen only by the watermark: by a timer for every quarter hour that normally has traffic, whether or not
 *     any record came. The timer loops from one such quarter hour to the next, and from a week to the next one.
 * D3  Nothing is said of what lies after the last flight of the input (`until`), for there the silence is ours.
 * D4  Dips do not depend on how fast anyone is. Where the watermark leaps, counts and models of later weeks come before
 *     the timers of this one fire: a quarter hour is judged by the count of its own day and the last model before that.
 */
import { Computation, type Context, input, output, state, type StreamRecord, type Timer, timer } from "../../src/index.ts";
import { BUCKET, bucketOf, DAY, dayOf, weekdayOf } from "./calendar.ts";
import { type Anomaly, anomalies, type DayModel, dayModels, growing, type WindowCount, windows } from "./streams.ts";

/** Weeks before a model is trusted. */
const WEEKS = 3;
/** A quarter hour normally has traffic if this many flights are expected in it; fewer may well be none by chance. */
const TRAFFIC = 6;
/** A dip is at most this part of what is expected, and this unusual. */
const DIP = { part: 1 / 4, score: 1.5 };
/** A spike is at least this many flights, this many times what is expected, and this unusual. */
const SPIKE = { count: 8, times: 2, score: 2 };

/** What is known of a day that is going on: counts of closed quarter hours, and of spikes when last produced. */
interface Day {
  counts: Map<number, number>;
  spikes: Map<number, number>;
}

/** No day: nothing is watched. */
const NONE = -1;

export class AnomalyDetector extends Computation {
  readonly windows = input(windows, { key: keyOf });
  readonly growing = input(growing, { key: keyOf });
  readonly dayModels = input(dayModels, { key: ({ airport, day }) => `${airport} ${weekdayOf(day)}` });
  readonly anomalies = output(anomalies);
  /** The model of the day that is watched, and later ones, in the order of their days. */
  readonly models = state<DayModel[]>("models", { initial: [] });
  /** The day that is watched, and later ones. */
  readonly days = state<Map<number, Day>>("days", { initial: new Map() });
  /** The day of the quarter hour that the timer waits for. */
  readonly watched = state<number>("watched", { initial: NONE });
  readonly watch = timer("watch");
  readonly #until: number;

  /** `until`: time of the last scheduled departure in the input, ms. */
  constructor(options: { readonly until: number }) {
    super();
    this.#until = options.until;
  }

  processRecord(record: StreamRecord<WindowCount> | StreamRecord<DayModel>, context: Context) {
    if (record.is(this.dayModels)) this.#learned(record.value, context);
    else if (record.is(this.windows)) this.#counted(record.value, true, context);
    else if (record.is(this.growing)) this.#counted(record.value, false, context);
  }

  #learned(model: DayModel, context: Context): void {
    const watched = context.state(this.watched).get();
    // Of the day that is watched there are quarter hours to judge, by the model before it.
    if (watched !== NONE && watched <= model.day) return context.state(this.models).update((known) => void known.push(model));
    context.state(this.models).set([model]);
    this.#forgetBefore(model.day + 1, context);
    if (model.weeks >= WEEKS) this.#watchFrom((model.day + 1) * DAY, context);
  }

  #counted({ airport, start, count }: WindowCount, closed: boolean, context: Context): void {
    const [day, bucket] = [dayOf(start), bucketOf(start)];
    const model = modelOf(day, context.state(this.models).get());
    const over = day < context.state(this.watched).get();
    if (closed && !over && mayBeAsked(model, day, bucket)) this.#note(day, context, ({ counts }) => void counts.set(bucket, count));
    if (model === undefined || !isSpike(count, model, bucket)) return;
    if (!over) {
      if (context.state(this.days).get().get(day)?.spikes.get(bucket) === count) return;
      this.#note(day, context, ({ spikes }) => void spikes.set(bucket, count));
    }
    context.produce(this.anomalies, { kind: "spike", airport, start, count, ...unlike(count, model, bucket), watermark: context.watermark });
  }

  override processTimer(timer: Timer, context: Context) {
    const start = timer.time - 1 - BUCKET;
    const [day, bucket] = [dayOf(start), bucketOf(start)];
    const model = modelOf(day, context.state(this.models).get()) as DayModel;
    const count = context.state(this.days).get().get(day)?.counts.get(bucket) ?? 0;
    if (isDip(count, model, bucket)) {
      context.produce(this.anomalies, { kind: "dip", airport: model.airport, start, count, ...unlike(count, model, bucket), watermark: context.watermark });
    }
    this.#watchFrom(timer.time, context);
  }

  #note(day: number, context: Context, change: (known: Day) => void): void {
    context.state(this.days).update((days) => {
      const known = days.get(day) ?? { counts: new Map(), spikes: new Map() };
      change(known);
      days.set(day, known);
    });
  }

  #forgetBefore(first: number, context: Context): void {
    const days = context.state(this.days);
    const later = [...days.get()].filter(([day]) => day >= first);
    if (later.length < days.get().size) days.set(new Map(later));
  }

  /** Sets the timer for the first quarter hour with traffic that ends at `time` or later, and forgets what is before its day. */
  #watchFrom(time: number, context: Context): void {
    const models = context.state(this.models);
    const end = nextWithTraffic(models.get(), time);
    // A window's count has its end as timestamp, so once the watermark is past that, it is here.
    if (end === undefined || end > this.#until) context.deleteTimer(this.watch);
    else context.setTimer(this.watch, end + 1);
    const day = end === undefined ? NONE : dayOf(end - 1);
    if (day === context.state(this.watched).get()) return;
    context.state(this.watched).set(day);
    this.#forgetBefore(day, context);
    const inUse = models.get().findLastIndex((model) => model.day < day);
    if (inUse > 0) models.set(models.get().slice(inUse));
  }
}

function keyOf({ airport, start }: WindowCount): string {
  return `${airport} ${weekdayOf(dayOf(start))}`;
}

/** What to expect of a day: the last model that was learned before it. */
const modelOf = (day: number, models: readonly DayModel[]): DayModel | undefined => models.findLast((model) => model.day < day);

/** End of the first quarter hour with traffic that ends at `time` or later, by the models, of which there is at least one. */
export function nextWithTraffic(models: readonly DayModel[], time: number): number | undefined {
  const [first, last] = [models[0] as DayModel, models.at(-1) as DayModel];
  const next = first.day + 7 * Math.max(1, Math.ceil((time - (first.day + 1) * DAY) / (7 * DAY)));
  for (let day = next; day <= Math.max(next, last.day) + 7; day += 7) {
    const { expected } = modelOf(day, models) as DayModel;
    for (let bucket = 0; bucket < expected.length; bucket++) {
      const end = day * DAY + (bucket + 1) * BUCKET;
      if (end >= time && (expected[bucket] as number) >= 100 * TRAFFIC) return end;
    }
  }
  return undefined;
}

/** May a timer ask for this count? Without the model of the week before there is no telling. */
function mayBeAsked(model: DayModel | undefined, day: number, bucket: number): boolean {
  return model?.day !== day - 7 || (model.weeks >= WEEKS && expectedIn(model, bucket) >= TRAFFIC);
}

const expectedIn = (model: DayModel, bucket: number): number => (model.expected[bucket] ?? 0) / 100;
const scoreIn = (count: number, model: DayModel, bucket: number): number => scoreOf(count, expectedIn(model, bucket), (model.spread[bucket] ?? 0) / 100);

function isSpike(count: number, model: DayModel, bucket: number): boolean {
  return model.weeks >= WEEKS && count >= SPIKE.count && count >= SPIKE.times * expectedIn(model, bucket) && scoreIn(count, model, bucket) >= SPIKE.score;
}

function isDip(count: number, model: DayModel, bucket: number): boolean {
  return count <= DIP.part * expectedIn(model, bucket) && scoreIn(count, model, bucket) >= DIP.score;
}

function unlike(count: number, model: DayModel, bucket: number): Pick<Anomaly, "expected" | "score"> {
  return { expected: expectedIn(model, bucket), score: Math.round(100 * scoreIn(count, model, bucket)) / 100 };
}

/** Distance from what is expected, in units of what is usual: the deviation seen so far, and what chance alone would do. */
export function scoreOf(count: number, expected: number, spread: number): number {
  return Math.abs(count - expected) / (Math.max(spread, 0.5) + Math.sqrt(Math.max(expected, 1)));
}
