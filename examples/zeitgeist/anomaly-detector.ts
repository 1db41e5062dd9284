/**
 * Compares windows with what their airport does at this time of the week. Keyed by airport and weekday: a key's model
 * and its looping timer are for the 96 quarter hours of that day.
 *
 * D1  A spike is seen at once, by the count of a window that may still be open.
 * D2  A dip is seen only by the watermark: by a timer for every quarter hour that normally has traffic, whether or not
 *     any record came. The timer loops from one such quarter hour to the next, and from a week to the next one.
 * D3  Nothing is said of what lies after the last flight of the input (`until`), for there the silence is ours.
 */
import { Computation, type Context, input, output, state, type StreamRecord, type Timer, timer } from "../../src/index.ts";
import { BUCKET, bucketOf, DAY, dayOf, weekdayOf } from "./calendar.ts";
import { anomalies, type DayModel, dayModels, growing, type WindowCount, windows } from "./streams.ts";

/** Weeks before a model is trusted. */
const WEEKS = 3;
/** A quarter hour normally has traffic if this many flights are expected in it; fewer may well be none by chance. */
const TRAFFIC = 6;
/** A dip is at most this part of what is expected, and this unusual. */
const DIP = { part: 1 / 4, score: 1.5 };
/** A spike is at least this many flights, this many times what is expected, and this unusual. */
const SPIKE = { count: 8, times: 2, score: 2 };

interface Model {
  weeks: number;
  expected: number[];
  spread: number[];
}

/** What is known of the day that is going on: counts of quarter hours with traffic, and of spikes when last produced. */
interface Today {
  day: number;
  counts: Map<number, number>;
  spikes: Map<number, number>;
}

export class AnomalyDetector extends Computation {
  readonly windows = input(windows, { key: keyOf });
  readonly growing = input(growing, { key: keyOf });
  readonly dayModels = input(dayModels, { key: ({ airport, day }) => `${airport} ${weekdayOf(day)}` });
  readonly anomalies = output(anomalies);
  readonly model = state<Model>("model");
  readonly today = state<Today>("today", { initial: { day: -1, counts: new Map(), spikes: new Map() } });
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

  #learned({ day, weeks, expected, spread }: DayModel, context: Context): void {
    const model = { weeks, expected: [...expected], spread: [...spread] };
    context.state(this.model).set(model);
    if (weeks >= WEEKS) this.#watchAfter(Math.max(context.watermark, (day + 1) * DAY), day, model, context);
  }

  #counted({ airport, start, count }: WindowCount, closed: boolean, context: Context): void {
    const model = context.state(this.model).get();
    if (model === undefined || model.weeks < WEEKS) return;
    const bucket = bucketOf(start);
    const expected = (model.expected[bucket] as number) / 100;
    const spread = (model.spread[bucket] as number) / 100;
    const spike = count >= SPIKE.count && count >= SPIKE.times * expected && scoreOf(count, expected, spread) >= SPIKE.score;
    if (!spike && !(closed && expected >= TRAFFIC)) return;
    const today = context.state(this.today);
    const day = dayOf(start);
    if (day < today.get().day) return;
    if (day > today.get().day) today.set({ day, counts: new Map(), spikes: new Map() });
    if (closed && expected >= TRAFFIC) today.update(({ counts }) => void counts.set(bucket, count));
    if (!spike || count === today.get().spikes.get(bucket)) return;
    today.update(({ spikes }) => void spikes.set(bucket, count));
    const score = rounded(scoreOf(count, expected, spread));
    context.produce(this.anomalies, { kind: "spike", airport, start, count, expected, score, watermark: context.watermark });
  }

  override processTimer(timer: Timer, context: Context) {
    const start = timer.time - 1 - BUCKET;
    const model = context.state(this.model).get();
    if (model === undefined || start + BUCKET > this.#until) return;
    const bucket = bucketOf(start);
    const today = context.state(this.today).get();
    const count = today.day === dayOf(start) ? (today.counts.get(bucket) ?? 0) : 0;
    const expected = (model.expected[bucket] ?? 0) / 100;
    const score = scoreOf(count, expected, (model.spread[bucket] ?? 0) / 100);
    if (expected >= TRAFFIC && count <= DIP.part * expected && score >= DIP.score) {
      const airport = context.key.slice(0, context.key.indexOf(" "));
      context.produce(this.anomalies, { kind: "dip", airport, start, count, expected, score: rounded(score), watermark: context.watermark });
    }
    this.#watchAfter(timer.time, dayOf(start), model, context);
  }

  /** Sets the timer for the next quarter hour with traffic that ends at `time` or later, on `day` or in later weeks. */
  #watchAfter(time: number, day: number, model: { readonly expected: readonly number[] }, context: Context): void {
    const end = time > this.#until ? undefined : nextWithTraffic(model.expected, day, time);
    // A window's count has its end as timestamp, so once the watermark is past that, it is here.
    if (end === undefined) context.deleteTimer(this.watch);
    else context.setTimer(this.watch, end + 1);
  }
}

function keyOf({ airport, start }: WindowCount): string {
  return `${airport} ${weekdayOf(dayOf(start))}`;
}

/** End of the first quarter hour with traffic that ends at `time` or later, on `day` or whole weeks after it. */
export function nextWithTraffic(expected: readonly number[], day: number, time: number): number | undefined {
  const weeks = Math.max(0, Math.ceil((time - (day + 1) * DAY) / (7 * DAY)));
  for (const date of [day + 7 * weeks, day + 7 * (weeks + 1)]) {
    for (let bucket = 0; bucket < expected.length; bucket++) {
      const end = date * DAY + (bucket + 1) * BUCKET;
      if (end >= time && (expected[bucket] as number) >= 100 * TRAFFIC) return end;
    }
  }
  return undefined;
}

/** Distance from what is expected, in units of what is usual: the deviation seen so far, and what chance alone would do. */
export function scoreOf(count: number, expected: number, spread: number): number {
  return Math.abs(count - expected) / (Math.max(spread, 0.5) + Math.sqrt(Math.max(expected, 1)));
}

const rounded = (score: number): number => Math.round(100 * score) / 100;
