/**
 * What each example is given and where it puts its results, so that one test can run all of them anywhere. All records are
 * on time: whether a record is late depends on how far the watermark has come, which is no store's to promise.
 */
import zeitgeist, { dips, queries } from "../../examples/02-zeitgeist.ts";
import wordCount, { totals, words } from "../../examples/01-word-count.ts";
import unpaidOrders, { orders as placed, payments, settled, unpaid } from "../../examples/03-unpaid-orders.ts";
import sessionPipeline, { clicks, lateClicks, sessions } from "../../examples/04-sessions.ts";
import deduplication, { east, readings, west } from "../../examples/05-deduplication.ts";
import enrichment, { namedOrders, orders } from "../../examples/06-enrichment.ts";
import { hours, minutes, type Pipeline, seconds, type Stream } from "../../src/index.ts";

export interface ExampleRun {
  readonly file: string;
  readonly pipeline: Pipeline;
  /** The lines of each file that is read. */
  readonly inputs: readonly { readonly file: string; readonly stream: Stream<any>; readonly values: readonly (object | string)[] }[];
  readonly outputs: readonly { readonly file: string; readonly stream: Stream<any> }[];
}

/** 2023-11-14, on the hour. */
const START = 1_699_999_200_000;

const repeated = <T>(times: number, make: (i: number) => T): T[] => Array.from({ length: times }, (_, i) => make(i));

/** Twenty seconds of four searches each, then six of one: a dip. `news` stays as it is. */
function searches() {
  return repeated(26, (second) => {
    const at = (i: number) => START + seconds(second) + i;
    return [...repeated(second < 20 ? 4 : 1, (i) => ({ text: "tv", at: at(i) })), { text: "news", at: at(9) }];
  }).flat();
}

const order = (id: number) => ({ id: `o${id}`, email: `${id}@example.org`, total: 10 * id, placedAt: START + minutes(id) });
const payment = (id: number, after: number) => ({ orderId: `o${id}`, amount: 10 * id, paidAt: START + minutes(id + after) });

/** Of each user, clicks ten minutes apart, and an hour of silence after every third; three users take turns. */
const click = (i: number) => ({
  user: ["ada", "bob", "cyd"][i % 3] ?? "",
  page: `/${i}`,
  at: START + Math.floor(i / 3) * minutes(10) + Math.floor(i / 9) * hours(1) + (i % 3),
});

const reading = (i: number) => ({ id: `r${i % 20}`, celsius: i % 20, at: START + seconds(i % 20) });

export const examples: readonly ExampleRun[] = [
  {
    file: "01-word-count.ts",
    pipeline: wordCount,
    inputs: [{ file: "words.ndjson", stream: words, values: repeated(60, (i) => ["tea", "Tea", "milk", "rain"][i % 4] ?? "") }],
    outputs: [{ file: "totals.ndjson", stream: totals }],
  },
  {
    file: "02-zeitgeist.ts",
    pipeline: zeitgeist,
    inputs: [{ file: "queries.ndjson", stream: queries, values: searches() }],
    outputs: [{ file: "dips.ndjson", stream: dips }],
  },
  {
    file: "03-unpaid-orders.ts",
    pipeline: unpaidOrders,
    inputs: [
      { file: "orders.ndjson", stream: placed, values: repeated(12, order) },
      // Every third is never paid, every fourth too late.
      { file: "payments.ndjson", stream: payments, values: repeated(12, (i) => payment(i, i % 4 === 3 ? 15 : 14)).filter((_, i) => i % 3 !== 0) },
    ],
    outputs: [
      { file: "settled-orders.ndjson", stream: settled },
      { file: "unpaid-orders.ndjson", stream: unpaid },
    ],
  },
  {
    file: "04-sessions.ts",
    pipeline: sessionPipeline,
    inputs: [{ file: "clicks.ndjson", stream: clicks, values: repeated(36, click) }],
    outputs: [
      { file: "sessions.ndjson", stream: sessions },
      { file: "late-clicks.ndjson", stream: lateClicks },
    ],
  },
  {
    file: "05-deduplication.ts",
    pipeline: deduplication,
    inputs: [
      { file: "east.ndjson", stream: east, values: repeated(40, reading) },
      { file: "west.ndjson", stream: west, values: repeated(25, reading) },
    ],
    outputs: [{ file: "readings.ndjson", stream: readings }],
  },
  {
    file: "06-enrichment.ts",
    pipeline: enrichment,
    inputs: [{ file: "orders.ndjson", stream: orders, values: repeated(30, (i) => ({ id: `o${i}`, customer: `c${i % 7}`, at: START + seconds(i) })) }],
    outputs: [{ file: "named-orders.ndjson", stream: namedOrders }],
  },
];
