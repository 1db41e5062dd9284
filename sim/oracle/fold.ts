/**
 * The oracle: what a pipeline does when nothing can go wrong. A plain sequential fold over each key's calls; it knows no
 * shards, batches, owners or retries, and imports nothing of the engine, not even its types.
 *
 * How calls of different keys interleave is free, so it predicts nothing: it takes the order of calls that each key's log
 * shows, carries the programs out again in its own way, and says where the log, the state or what came out is not what
 * follows from what went in.
 *
 * F1  Every delivery is one call of its key, or one dead letter, or as the source's ids make it a duplicate: exactly one.
 * F2  Calls of one key have their records in the order in which each sender produced them.
 * F3  A timer fires once for each time it was set and neither replaced nor deleted; never before its time, the earliest
 *     of a key and clock first.
 * F4  What was in time where it was made is in time where it is processed.
 *     What was brought back from dead letters comes when it comes: neither F2 nor F4 is about it.
 * F5  State, productions, timestamps and sinks are what the calls make of them.
 *
 * F6 and F7 are of `fold-effects.ts`, F8 of `fold-barriers.ts`, F9 of `fold-commands.ts`, F10 of `fold-percentiles.ts`.
 */
import { barrierFindings } from "./fold-barriers.ts";
import { type Called, CallFold, type Delivery, END, isMortal, isPoison, type KeyModel, type SetTimer } from "./fold-call.ts";
import { KeyCommands, settingOf } from "./fold-commands.ts";
import { effectFindings } from "./fold-effects.ts";
import { fixedPart, percentileFindings } from "./fold-percentiles.ts";
import type { Counted, FoldInjector, FoldInput, FoldShape, Found, FoundLetter } from "./fold-input.ts";
import { type Entry, FUEL, type Item, type Program, type Script, type Sums, verdictOf } from "../workload/program.ts";

const EMPTY: Counted = { processed: 0, late: 0, produced: 0, duplicates: 0, deadLetters: 0, timersFired: 0 };
const RELEASE: Program = [{ do: "release" }];

/** The findings, empty if the run is right. At most a few: the first ones say most. */
export function findings(input: FoldInput, found: Found): string[] {
  const fold = new Fold(input, found);
  fold.run();
  return fold.findings;
}

class Fold {
  readonly findings: string[] = [];
  readonly #input: FoldInput;
  readonly #found: Found;
  /** By stream, in the order in which they were made per sender. */
  readonly #streams = new Map<string, Delivery[]>();
  /** Senders whose productions may come after their consumers' watermark, if those have other inputs: they go idle. */
  readonly #idles = new Set<string>();
  readonly #calls: CallFold;
  /** The largest event time of any record, or timer set before the end of time. */
  #latest = -1;
  /** Timers that fired though a firing had set them at the end of time. */
  readonly #last: { readonly where: string; readonly time: number }[] = [];
  #counted!: { -readonly [K in keyof Counted]: number };

  constructor(input: FoldInput, found: Found) {
    this.#input = input;
    this.#found = found;
    this.#calls = new CallFold({
      add: (stream, delivery) => this.#add(stream, delivery),
      wrong: (text) => this.#wrong(text),
      knows: (time) => {
        this.#latest = Math.max(this.#latest, time);
      },
      scriptOf: (computation) => input.scripts.get(computation) as Script,
    });
  }

  run(): void {
    const { shape } = this.#input;
    for (const { name, stream } of shape.injectors) this.#inject(name, stream);
    for (const computation of shape.computations) this.#compute(computation);
    for (const effect of shape.effects ?? []) this.#effect(effect);
    const ofResults = new Set((shape.effects ?? []).map(({ results }) => results));
    for (const { name, stream, inStore } of shape.sinks) if (!ofResults.has(stream)) this.#sink(name, stream, inStore === true);
    for (const barrier of this.#found.barriers) for (const wrong of barrierFindings(barrier, this.#input, this.#streams, this.#found)) this.#wrong(wrong);
    for (const { where, time } of this.#last)
      if (time > this.#latest) this.#wrong(`F3: ${where}: was set at the end of time, for later than all that was known, and not dropped`);
  }

  #wrong(text: string): void {
    if (this.findings.length < 5) this.findings.push(text);
  }

  #equal(what: string, actual: unknown, expected: unknown): void {
    if (JSON.stringify(actual) !== JSON.stringify(expected)) this.#wrong(`${what} is ${JSON.stringify(actual)}, should be ${JSON.stringify(expected)}`);
  }

  #add(stream: string, delivery: Delivery): void {
    this.#latest = Math.max(this.#latest, delivery.timestamp);
    const known = this.#streams.get(stream);
    if (known === undefined) this.#streams.set(stream, [delivery]);
    else known.push(delivery);
    this.#counted.produced += this.#consumersOf(stream, delivery.item).length;
  }

  /** Those that it is for: a record that a filter passes over is not produced for its input. */
  #consumersOf(stream: string, item?: Item): string[] {
    const { computations, sinks, effects = [] } = this.#input.shape;
    const others = [...sinks, ...effects].filter((each) => each.stream === stream);
    const takes = (name: string) => item === undefined || verdictOf(this.#input.scripts.get(name) as Script, item) !== "passed over";
    return [...computations.filter((each) => each.inputs.includes(stream) && takes(each.name)), ...others].map((each) => each.name);
  }

  // ── injectors ───────────────────────────────────────────────────────────────────────────────────────────────────

  #inject(name: string, stream: string): void {
    this.#counted = { ...EMPTY };
    const { ids, retention, idles, partitions } = this.#input.injectors.get(name) as FoldInjector;
    if (idles) this.#idles.add(name);
    const reached = this.#reached(stream);
    let either = 0;
    partitions.forEach((items, partition) => {
      const taken = new Set<string>();
      items.forEach(({ item, refused, timestamp, promisedBefore }, place) => {
        if (item === undefined && !refused) return;
        // Whether its id may have been forgotten depends on how far the watermark was, which no promise passes.
        const old = ids && timestamp < promisedBefore - retention;
        if (ids && item !== undefined && taken.has(item.id)) {
          if (old) either++;
          else this.#counted.duplicates++;
          return;
        }
        if (refused || (old && !reached.has((item as Item).id))) {
          this.#counted.deadLetters++;
          return;
        }
        taken.add((item as Item).id);
        this.#counted.processed++;
        this.#add(stream, { item: item as Item, timestamp, sender: `${name}/${partition}`, place, inTime: timestamp >= promisedBefore });
      });
    });
    const asDead = Math.min(either, Math.max(0, (this.#found.dead.get(name)?.length ?? 0) - this.#counted.deadLetters));
    this.#counted.deadLetters += asDead;
    this.#counted.duplicates += either - asDead;
    this.#count(name);
    this.#equal(`dead letters of ${name}`, this.#found.dead.get(name)?.length ?? 0, this.#counted.deadLetters);
  }

  /** Ids of the records of a stream that have come to a consumer. */
  #reached(stream: string): ReadonlySet<string> {
    const { logs, dead, sinks } = this.#found;
    const ids = new Set<string>();
    for (const consumer of this.#consumersOf(stream)) {
      for (const log of logs.get(consumer)?.values() ?? []) for (const [what] of log) ids.add(what);
      for (const { what } of dead.get(consumer) ?? []) ids.add(what);
      for (const { item } of sinks.get(consumer) ?? []) ids.add(item.id);
    }
    return ids;
  }

  #count(name: string): void {
    const { droppedTimers: _, ...counted } = this.#found.counted.get(name) ?? EMPTY;
    this.#equal(`counters of ${name}`, counted, this.#counted);
  }

  /** What a consumer of these streams gets, by id. */
  #incoming(streams: readonly string[]): { readonly stream: string; readonly delivery: Delivery }[] {
    return streams.flatMap((stream) => (this.#streams.get(stream) ?? []).map((delivery) => ({ stream, delivery })));
  }

  /** Who feeds a participant with these inputs. */
  #feeders(streams: readonly string[]): string[] {
    const { injectors, computations } = this.#input.shape;
    return [
      ...injectors.filter((each) => streams.includes(each.stream)),
      ...computations.filter((each) => each.outputs.some((out) => streams.includes(out))),
    ].map((each) => each.name);
  }

  // ── computations ────────────────────────────────────────────────────────────────────────────────────────────────

  #compute(computation: FoldShape["computations"][number]): void {
    this.#counted = { ...EMPTY };
    const { name, inputs, other } = computation;
    const feeders = this.#feeders(inputs);
    if (feeders.every((feeder) => this.#idles.has(feeder))) this.#idles.add(name);
    const script = this.#input.scripts.get(name) as Script;
    const dead = new Map<string, number>();
    for (const { what, key } of this.#found.dead.get(name) ?? []) dead.set(`${key} ${what}`, (dead.get(`${key} ${what}`) ?? 0) + 1);
    const waiting = new Map<string, Delivery>();
    for (const { delivery } of this.#incoming(inputs)) {
      const verdict = verdictOf(script, delivery.item);
      if (verdict === "passed over") continue;
      const key = verdict === "refused" ? "" : other ? delivery.item.other : delivery.item.key;
      const steps = script.records[delivery.item.program % script.records.length] as Program;
      const what = `${key} ${delivery.item.id}`;
      // One that fails as often as it is tried, or more often, dies; but tries that a crash has cut off did not count.
      const isDead = key === "" || isPoison(steps) || (isMortal(steps, this.#input.attempts) && (dead.get(what) ?? 0) > 0);
      if (isDead) this.#takeDead(dead, name, what);
      else waiting.set(delivery.item.id, this.#asFedBy(delivery, feeders));
    }
    for (const [key, log] of this.#found.logs.get(name) ?? []) this.#key(computation, key, log, waiting, dead);
    for (const id of waiting.keys()) this.#wrong(`F1: ${name} never processed ${id}`);
    for (const [what, times] of dead)
      if (times > 0 && !this.#isOperated(name, what)) this.#wrong(`F1: ${name} has ${times} dead letters of ${what} that it should not have`);
    this.#counted.deadLetters = this.#lettersOf(name);
    this.#count(name);
  }

  /** All that there were, also those that were discarded or brought back. */
  #lettersOf(name: string): number {
    return (this.#found.dead.get(name)?.length ?? 0) + (this.#found.revived.get(name)?.length ?? 0);
  }

  /** A letter of a timer that operators had something done to: which of its times it has cannot be told. */
  #isOperated(name: string, letter: string): boolean {
    return this.#found.operated.get(name)?.some(({ key, timer }) => letter.startsWith(`${key} ${timer}:`)) === true;
  }

  #isRevived(name: string, what: string, key: string): boolean {
    return this.#found.revived.get(name)?.some((each) => each.what === what && each.key === key) === true;
  }

  /** A sender that may have been left out of the watermark, beside others, promises nothing. */
  #asFedBy(delivery: Delivery, feeders: readonly string[]): Delivery {
    const sender = delivery.sender.slice(0, delivery.sender.indexOf("/"));
    return this.#idles.has(sender) && feeders.length > 1 ? { ...delivery, inTime: false } : delivery;
  }

  #takeDead(dead: Map<string, number>, name: string, what: string): void {
    const times = dead.get(what) ?? 0;
    if (times === 0) this.#wrong(`F1: ${name} has no dead letter of ${what}`);
    dead.set(what, times - 1);
  }

  #key(computation: Called["computation"], key: string, log: readonly Entry[], waiting: Map<string, Delivery>, dead: Map<string, number>): void {
    const { name } = computation;
    const sums: Sums = { total: 0, fuel: FUEL, hold: -1 };
    const commands = new KeyCommands(this.#found.operated.get(name)?.filter((each) => each.key === key) ?? []);
    this.#latest = Math.max(this.#latest, commands.latest);
    const none = { brief: undefined, hold: undefined, timers: new Map(), aside: [], doubtful: [], watermark: -1, now: 0, largest: -1 };
    const model: KeyModel = { key, sums, commands, ...none };
    const order = new Map<string, number>();
    const fixed = fixedPart(this.#input.percentile);
    log.forEach((entry, index) => {
      const [what, watermark, now, late] = entry;
      const where = `${name} ${key}, call ${index}, ${what}`;
      if (watermark < model.watermark) this.#wrong(`${where}: the watermark fell from ${model.watermark} to ${watermark}`);
      if (now < model.now) this.#wrong(`${where}: processing time fell from ${model.now} to ${now}`);
      model.watermark = watermark;
      model.now = now;
      for (const wrong of commands.obey(model, index)) this.#wrong(`${name} ${wrong}`);
      if (this.#input.percentile) for (const wrong of percentileFindings(model, entry, where)) this.#wrong(wrong);
      const called = what.includes("/")
        ? this.#record(computation, model, entry, index, waiting, order, where)
        : this.#timer(computation, model, entry, index, where);
      if (called === undefined) return;
      if (late) this.#counted.late++;
      for (const step of called.steps) this.#calls.step(step, called);
      if (called.saw !== entry.length) this.#wrong(`${where}: logged ${entry.length - fixed} readings, should be ${called.saw - fixed}`);
    });
    for (const wrong of commands.obey(model, Number.POSITIVE_INFINITY)) this.#wrong(`${name} ${wrong}`);
    for (const { timer, set } of model.aside) this.#wrong(`F3: ${name} ${key}, timer ${timer} for ${set.time}: was fired by a command, and never called`);
    for (const [timer, set] of model.timers) this.#leftOver(name, model, timer, set, dead);
    for (const doubtful of model.doubtful) {
      const times = dead.get(doubtful) ?? 0;
      if (times > 0) dead.set(doubtful, times - 1);
    }
    this.#equal(`F5: sums of ${name} ${key}`, this.#found.sums.get(name)?.get(key) ?? { total: 0, fuel: FUEL, hold: -1 }, model.sums);
  }

  #record(
    computation: Called["computation"],
    model: KeyModel,
    entry: Entry,
    index: number,
    waiting: Map<string, Delivery>,
    order: Map<string, number>,
    where: string,
  ): Called | undefined {
    const [what, watermark, , late] = entry;
    const delivery = waiting.get(what);
    if (delivery === undefined) {
      this.#wrong(`F1: ${where}: processed twice, or never produced`);
      return undefined;
    }
    waiting.delete(what);
    this.#counted.processed++;
    const { item, timestamp, sender, place } = delivery;
    const revived = this.#isRevived(computation.name, what, model.key);
    const inTime = delivery.inTime && !revived;
    if ((computation.other ? item.other : item.key) !== model.key) this.#wrong(`F1: ${where}: belongs to another key`);
    if (!revived) {
      if (place <= (order.get(sender) ?? -1)) this.#wrong(`F2: ${where}: comes after a later record of ${sender}`);
      order.set(sender, place);
    }
    if (late !== timestamp < watermark) this.#wrong(`F4: ${where}: late is ${late}, timestamp ${timestamp}, watermark ${watermark}`);
    if (late && inTime) this.#wrong(`F4: ${where}: was made in time at ${timestamp} and is late at ${watermark}`);
    if (timestamp < END) model.largest = Math.max(model.largest, timestamp);
    const { records } = this.#input.scripts.get(computation.name) as Script;
    const steps = records[item.program % records.length] as Program;
    return this.#called(computation, model, entry, index, { steps, base: timestamp, from: timestamp, stamped: true, isTimer: false, inTime });
  }

  #timer(computation: Called["computation"], model: KeyModel, entry: Entry, index: number, where: string): Called | undefined {
    const [what, watermark, now] = entry;
    const [timer, tag, time] = what.split(":") as [string, string, string];
    const address = `${timer}:${tag}`;
    const set = settingOf(model, address, Number(time));
    if (set === undefined) {
      const known = model.timers.get(address);
      this.#wrong(`F3: ${where}: fired, but it is ${known === undefined ? "not set" : `set for ${known.time}`}`);
      return undefined;
    }
    this.#counted.timersFired++;
    if (set.droppable) this.#last.push({ where, time: set.time });
    const isWall = timer === "wait";
    const byPercentile = this.#input.percentile && timer === "due";
    const isEarly = isWall ? now < set.time : (byPercentile ? (model.percentile ?? -1) : watermark) < set.time;
    if (isEarly && !set.asked) this.#wrong(`F3: ${where}: fired early, at watermark ${watermark} and time ${now}`);
    for (const [each, { time: earlier, droppable, poison }] of model.timers) {
      const isNext = each.startsWith("wait:") === isWall && earlier < set.time && !droppable && !poison;
      // It may have been begun, and have failed, before the low watermark came to the others.
      const mayWait = byPercentile && !each.startsWith("due:");
      const isAsked = mayWait || set.asked || model.commands.concerned(address) || model.commands.concerned(each);
      if (isNext && !isAsked) this.#wrong(`F3: ${where}: fired before ${each} of ${earlier}`);
    }
    if (!set.asked) model.timers.delete(address);
    const base = Math.max(set.output ?? Math.max(watermark, 0), 0);
    const from = isWall ? Math.max(watermark, 0) : set.time;
    const { timers, flush } = this.#input.scripts.get(computation.name) as Script;
    const steps = timer === "release" ? RELEASE : timer === "flush" ? flush : (timers[Number(tag)] as Program);
    return this.#called(computation, model, entry, index, { steps, base, from, stamped: !isWall, isTimer: true, inTime: set.inTime });
  }

  #called(
    computation: Called["computation"],
    model: KeyModel,
    entry: Entry,
    index: number,
    { steps, base, from, stamped, isTimer, inTime }: Pick<Called, "steps" | "base" | "from" | "stamped" | "isTimer"> & { readonly inTime: boolean },
  ): Called {
    const held = model.hold;
    const inTimeFrom = Math.min(inTime ? base : Number.POSITIVE_INFINITY, held?.inTime ? held.time : Number.POSITIVE_INFINITY);
    return { computation, model, entry, index, steps, base, from, stamped, isTimer, inTimeFrom, held, saw: fixedPart(this.#input.percentile), produced: 0 };
  }

  /** A timer that is still set when all is done. */
  #leftOver(name: string, { key, largest }: KeyModel, timer: string, set: SetTimer, dead: Map<string, number>): void {
    const where = `${name} ${key}, timer ${timer} for ${set.time}`;
    // One that holds nothing may be there still, for nothing waits for it: so with what a record sets that comes at the end of time.
    const never = timer.startsWith("wait:") && (set.output ?? END) >= END;
    if (set.poison && (set.droppable || never)) this.#maybeDead(dead, `${key} ${timer}:${set.time}`);
    if (never) return;
    if (set.droppable && set.time <= largest && !set.poison) this.#wrong(`F3: ${where}: was dropped, though not after the last record`);
    else if (set.poison && !set.droppable) this.#takeDead(dead, name, `${key} ${timer}:${set.time}`);
    else if (!set.droppable) this.#wrong(`F3: ${where}: never fired`);
  }

  #maybeDead(dead: Map<string, number>, what: string): void {
    const times = dead.get(what) ?? 0;
    if (times > 0) dead.set(what, times - 1);
  }

  // ── effects ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #effect({ name, stream, results }: NonNullable<FoldShape["effects"]>[number]): void {
    this.#counted = { ...EMPTY };
    const deliveries = this.#streams.get(stream) ?? [];
    const idsOf = (letters: readonly FoundLetter[] | undefined) => (letters ?? []).map(({ what }) => what);
    const wrongs = effectFindings({
      name,
      deliveries,
      performed: this.#found.performed.get(name) ?? [],
      results: results === undefined ? undefined : (this.#found.results.get(name) ?? []),
      dead: idsOf(this.#found.dead.get(name)),
      revived: idsOf(this.#found.revived.get(name)),
      tailLost: this.#found.tailLost,
    });
    for (const wrong of wrongs) this.#wrong(wrong);
    // A call that failed for the last time is done too.
    this.#counted.processed = deliveries.length + (this.#found.revived.get(name)?.length ?? 0);
    this.#counted.produced = results === undefined ? 0 : this.#counted.processed * this.#consumersOf(results).length;
    this.#counted.deadLetters = this.#lettersOf(name);
    this.#counted.late = this.#found.counted.get(name)?.late ?? 0;
    this.#count(name);
  }

  // ── sinks ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #sink(name: string, stream: string, inStore: boolean): void {
    this.#counted = { ...EMPTY };
    const waiting = new Map<string, Delivery>();
    const feeders = this.#feeders([stream]);
    for (const { delivery } of this.#incoming([stream])) waiting.set(delivery.item.id, this.#asFedBy(delivery, feeders));
    const order = new Map<string, number>();
    for (const { item, timestamp } of this.#found.sinks.get(name) ?? []) {
      const delivery = waiting.get(item.id);
      if (delivery === undefined) {
        this.#wrong(`F5: sink ${name} has ${item.id} twice, or it was never produced`);
        continue;
      }
      waiting.delete(item.id);
      if (!inStore) this.#counted.processed++; // Nothing passes through one that is in the store.
      this.#equal(`F5: ${item.id} in sink ${name}`, [item, timestamp], [delivery.item, delivery.timestamp]);
      if (delivery.place <= (order.get(delivery.sender) ?? -1)) this.#wrong(`F2: ${item.id} in sink ${name} comes after a later record of ${delivery.sender}`);
      order.set(delivery.sender, delivery.place);
    }
    for (const id of waiting.keys()) this.#wrong(`F5: sink ${name} lacks ${id}`);
    this.#counted.late = this.#found.counted.get(name)?.late ?? 0;
    this.#count(name);
  }
}
