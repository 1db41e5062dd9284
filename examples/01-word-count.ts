/**
 * The smallest pipeline: how often has each word been seen? `words.ndjson` holds one JSON string a line.
 * Every word gives a new total, exactly once, however often the process is killed.
 */
import { Computation, type Context, fromFile, input, output, Pipeline, state, stream, type StreamRecord, toFile } from "../src/index.ts";

export const words = stream<string>("words");
export const totals = stream<{ word: string; count: number }>("totals");

export class WordCount extends Computation {
  readonly words = input(words, { key: (word) => word.toLowerCase() });
  readonly totals = output(totals);
  readonly count = state("count", { initial: 0 });

  override processRecord(_record: StreamRecord<string>, context: Context): void {
    const count = context.state(this.count).get() + 1;
    context.state(this.count).set(count);
    context.produce(this.totals, { word: context.key, count });
  }
}

export default new Pipeline("word-count")
  .inject("words", words, fromFile("words.ndjson"))
  .compute("word-count", WordCount)
  .sink("totals", totals, toFile("totals.ndjson"));
