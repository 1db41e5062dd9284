/**
 * Compares the lines that a run wrote with what plain code makes of its records. It shares no code with the pipeline, and
 * forgives nothing: a line that is there twice is doubled, whoever reads it.
 *
 * V1  Lines are taken in the order of the stream, each once; nothing is sorted or made unique before it is judged.
 */
import { amountOf, groupOf, keyOf, type Load, timeOf, windowOf } from "./load.ts";
import type { Line } from "./pipeline.ts";

export interface Verdict {
  readonly lost: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  readonly wrong: number;
  /** The first findings, in words. */
  readonly examples: readonly string[];
}

interface KeySum {
  count: number;
  sum: number;
}
const EXAMPLES = 10;

export class Verifier {
  readonly #load: Load;
  /** How often each record was found. */
  readonly #found: Uint8Array;
  readonly #keys = new Map<string, KeySum>();
  /** Last record of a key and partition. */
  readonly #last = new Map<string, number>();
  readonly #windows = new Map<string, { readonly count: number; readonly sum: number; times: number }>();
  readonly #groups = new Map<string, { parts: Set<number>; count: number; sum: number }>();
  #doubled = 0;
  #outOfOrder = 0;
  #wrong = 0;
  readonly #examples: string[] = [];

  constructor(load: Load) {
    this.#load = load;
    this.#found = new Uint8Array(load.records);
  }

  add(line: Line): void {
    if (line.wrong !== undefined) this.#isWrong(line, line.wrong);
    if (line.kind === "record") this.#addRecord(line);
    else if (line.kind === "window") this.#addWindow(line);
    else this.#addPart(line);
  }

  #addRecord(line: Extract<Line, { kind: "record" }>): void {
    const { n, key } = line;
    if (!(n >= 0 && n < this.#load.records) || keyOf(this.#load, n) !== key || line.amount !== amountOf(n)) {
      this.#isWrong(line, "no such record was given");
      return;
    }
    const before = this.#found[n] ?? 0;
    this.#found[n] = Math.min(before + 1, 255);
    if (before > 0) {
      this.#doubled++;
      this.#say(line, "found before");
      return;
    }
    const sender = `${key} ${n % this.#load.partitions}`;
    const last = this.#last.get(sender) ?? -1;
    const total = this.#keys.get(key) ?? { count: 0, sum: 0 };
    total.count++;
    total.sum += line.amount;
    this.#keys.set(key, total);
    if (n < last) {
      this.#outOfOrder++;
      this.#say(line, `after ${last}`);
    } else this.#last.set(sender, n);
    if (line.count !== total.count || line.sum !== total.sum) this.#isWrong(line, `count ${total.count} and sum ${total.sum} so far`);
    if (line.late) this.#isWrong(line, "late");
  }

  #addWindow(line: Extract<Line, { kind: "window" }>): void {
    const name = `${line.key} ${line.start}`;
    const known = this.#windows.get(name);
    if (known === undefined) this.#windows.set(name, { count: line.count, sum: line.sum, times: 1 });
    else {
      known.times++;
      this.#doubled++;
      this.#say(line, "found before");
    }
  }

  #addPart({ group, part, count, sum, kind }: Extract<Line, { kind: "part" }>): void {
    const known = this.#groups.get(group) ?? { parts: new Set<number>(), count: 0, sum: 0 };
    this.#groups.set(group, known);
    if (known.parts.has(part)) {
      this.#doubled++;
      this.#say({ kind, group, part, count, sum }, "found before");
    }
    if (part < known.parts.size) this.#outOfOrder++;
    known.parts.add(part);
    known.count += count;
    known.sum += sum;
  }

  /** To be called once, when all lines were added. */
  verdict(): Verdict {
    let lost = 0;
    const windows = new Map<string, KeySum>();
    const groups = new Map<string, KeySum>();
    const add = (to: Map<string, KeySum>, name: string, amount: number): void => {
      const sum = to.get(name) ?? { count: 0, sum: 0 };
      sum.count++;
      sum.sum += amount;
      to.set(name, sum);
    };
    for (let n = 0; n < this.#load.records; n++) {
      const key = keyOf(this.#load, n);
      if (this.#found[n] === 0 && lost++ < EXAMPLES) this.#say({ n, key }, "not found");
      add(windows, `${key} ${windowOf(timeOf(this.#load, n))}`, amountOf(n));
      add(groups, groupOf(key), amountOf(n));
    }
    for (const [name, expected] of windows) {
      const found = this.#windows.get(name);
      if (found === undefined) lost++;
      if (found === undefined) this.#say({ window: name, expected }, "not found");
      else if (found.count !== expected.count || found.sum !== expected.sum) this.#isWrong({ window: name, found, expected }, "another sum");
    }
    for (const name of this.#windows.keys()) if (!windows.has(name)) this.#isWrong({ window: name }, "no such window");
    for (const [name, expected] of groups) {
      const found = this.#groups.get(name);
      const counted = { count: found?.count ?? 0, sum: found?.sum ?? 0 };
      if (counted.count !== expected.count || counted.sum !== expected.sum) this.#isWrong({ group: name, counted, expected }, "another sum of all parts");
      if (found !== undefined) lost += Math.max(0, Math.max(...found.parts) + 1 - found.parts.size);
    }
    return { lost, doubled: this.#doubled, outOfOrder: this.#outOfOrder, wrong: this.#wrong, examples: this.#examples };
  }

  #isWrong(what: object, why: string): void {
    this.#wrong++;
    this.#say(what, why);
  }
  #say(what: object, why: string): void {
    if (this.#examples.length < EXAMPLES) this.#examples.push(`${JSON.stringify(what)}: ${why}`);
  }
}
