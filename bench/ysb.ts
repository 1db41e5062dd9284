/**
 * The Yahoo streaming benchmark: of events as JSON text the views are kept, joined to the campaign of their advertisement
 * and counted by campaign and window of 10 s. The join is state of the advertisement's key, put in by a stream of its own
 * before the events, and not a look-up by hand; counts are kept in the store as they change, exactly once, where the
 * original writes them out every second. A campaign's update time less the end of its window is the original's latency.
 */
import { Computation, type Context, type Injector, input, output, Pipeline, state, stream, type StreamRecord } from "../src/index.ts";
import { drawn } from "./counter-pipeline.ts";
import { benchmark, settingOf } from "./harness/benchmark.ts";
import { measuredRun, quantiles } from "./harness/measured-run.ts";
import { inTurn, round } from "./harness/medians.ts";
import { numbered } from "./harness/numbered.ts";
import { now, type Probe, type Workload } from "./harness/workload.ts";
import { counts, openLoop, recordsOf, type Schedule } from "./open-loop.ts";

export interface YsbLoad extends Schedule {
  readonly campaigns: number;
  readonly shards: number;
  /** 0: at the rate; otherwise so many events, as fast as they are taken. */
  readonly records: number;
}

const ADS_EACH = 10;
export const WINDOW = 10_000;
/** Event time of the first event of a run at saturation. */
const START = 1_700_000_000_000;
const PER_MS = 10;
const TYPES = ["view", "click", "purchase"];
const AD_TYPES = ["banner", "modal", "sponsored-search", "mail", "mobile"];

interface Advertisement {
  readonly ad: string;
  readonly campaign: string;
}
interface Parsed {
  readonly ad: string;
  readonly at: number;
}
interface View {
  readonly campaign: string;
  readonly at: number;
}
/** An event as it comes: text. */
const texts = stream<string>("events");
const advertisements = stream<Advertisement>("advertisements");
const views = stream<View>("views");
/** Parsed, and only views. */
const parsed = stream<Parsed>("parsed");

const nameOf = (n: number): string => `campaign ${n}`;
const typeOf = (n: number): string => TYPES[Math.floor(drawn(n, 1) * TYPES.length)] as string;
const adOf = (n: number, { campaigns }: YsbLoad): number => Math.floor(drawn(n, 2) * campaigns * ADS_EACH);
const all = (load: YsbLoad): number => (load.records > 0 ? load.records : recordsOf(load));

function textOf(n: number, at: number, load: YsbLoad): string {
  const ad = { user_id: `user ${Math.floor(drawn(n, 3) * 100)}`, page_id: `page ${Math.floor(drawn(n, 4) * 100)}`, ad_id: `ad ${adOf(n, load)}` };
  const adType = AD_TYPES[Math.floor(drawn(n, 5) * AD_TYPES.length)];
  return JSON.stringify({ ...ad, ad_type: adType, event_type: typeOf(n), event_time: String(at), ip_address: "1.2.3.4" });
}

class Parser extends Computation {
  // The key of an event is in its text: what comes first is spread by the text itself.
  readonly from = input(texts, { key: (text) => text.slice(0, 40) });
  readonly to = output(parsed);
  override processRecord({ value }: StreamRecord<string>, context: Context): void {
    const event = JSON.parse(value) as { readonly ad_id: string; readonly event_type: string; readonly event_time: string };
    if (event.event_type === "view") context.produce(this.to, { ad: event.ad_id, at: Number(event.event_time) });
  }
}

/** An event that comes before its advertisement waits for it. */
class Joiner extends Computation {
  readonly ads = input(advertisements, { key: ({ ad }) => ad });
  readonly from = input(parsed, { key: ({ ad }) => ad });
  readonly to = output(views);
  readonly campaign = state<string>("campaign");
  readonly waiting = state<readonly number[]>("waiting");
  override processRecord(record: StreamRecord<Advertisement | Parsed>, context: Context): void {
    const [cell, waiting] = [context.state(this.campaign), context.state(this.waiting)];
    if (record.is(this.ads)) {
      const { campaign } = record.value;
      cell.set(campaign);
      for (const at of waiting.get() ?? []) context.produce(this.to, { campaign, at });
      waiting.delete();
    } else if (record.is(this.from)) {
      const { at } = record.value;
      const campaign = cell.get();
      if (campaign === undefined) waiting.set([...(waiting.get() ?? []), at]);
      else context.produce(this.to, { campaign, at });
    }
  }
}

class CampaignCounter extends Computation {
  readonly from = input(views, { key: ({ campaign }) => campaign });
  readonly seen = state("seen", { initial: new Map<number, number>() });
  readonly #load: YsbLoad;
  readonly #probe: Probe;
  constructor(load: YsbLoad, probe: Probe) {
    super();
    this.#load = load;
    this.#probe = probe;
  }
  override processRecord({ value: { at } }: StreamRecord<View>, context: Context): void {
    const window = at - (at % WINDOW);
    context.state(this.seen).update((windows) => void windows.set(window, (windows.get(window) ?? 0) + 1));
    if (this.#load.records > 0) return;
    // The delay of each event, not of a window's last alone, so that short runs say something.
    if (counts(this.#load, ((at - (this.#probe.beganAt ?? at)) * this.#load.rate) / 1_000)) this.#probe.histogram("late").add(now() - at);
  }
}

/**
 * At a fixed rate windows are those of the clock, so what is expected depends on when the run began, which is not known
 * beforehand: then only totals are, and every window is added to them.
 */
class CampaignTotal extends CampaignCounter {
  readonly total = state("total", { initial: 0 });
  override processRecord(record: StreamRecord<View>, context: Context): void {
    super.processRecord(record, context);
    context.state(this.total).update((total) => total + 1);
    context.state(this.seen).delete();
  }
}

export const ysbEvents: Workload<YsbLoad> = {
  name: "ysb",
  work: (load) => ({ records: all(load), processings: all(load) * 2 }),
  pipeline(load, probe) {
    const source = load.records > 0 ? saturating(load, probe) : openLoop(load, probe, (n, due) => textOf(n, Math.floor(due), load));
    const pipeline = new Pipeline("ysb", { shards: load.shards })
      .inject("advertisements", advertisements, campaigns(load))
      .inject("events", texts, source)
      .compute("parser", Parser)
      .compute("joiner", Joiner);
    return load.records > 0
      ? pipeline.compute("campaign-counter", () => new CampaignCounter(load, probe))
      : pipeline.compute("campaign-counter", () => new CampaignTotal(load, probe));
  },

  expect(load, results) {
    const windows = new Map<number, Map<number, number>>();
    for (let n = 0; n < all(load); n++) {
      if (typeOf(n) !== "view") continue;
      const campaign = Math.floor(adOf(n, load) / ADS_EACH);
      const at = load.records > 0 ? START + Math.floor(n / PER_MS) : 0;
      const known = windows.get(campaign) ?? new Map<number, number>();
      windows.set(campaign, known.set(at - (at % WINDOW), (known.get(at - (at % WINDOW)) ?? 0) + 1));
    }
    for (let ad = 0; ad < load.campaigns * ADS_EACH; ad++) results.add("joiner", "campaign", `ad ${ad}`, nameOf(Math.floor(ad / ADS_EACH)));
    for (const [campaign, seen] of windows) {
      if (load.records > 0) results.add("campaign-counter", "seen", nameOf(campaign), seen);
      else results.add("campaign-counter", "total", nameOf(campaign), seen.get(0));
    }
  },
};

const timeOf = (n: number): number => START + Math.floor(n / PER_MS);

function campaigns({ campaigns: many }: YsbLoad): Injector<Advertisement> {
  const valueOf = (n: number): Advertisement => ({ ad: `ad ${n}`, campaign: nameOf(Math.floor(n / ADS_EACH)) });
  return numbered({ description: "advertisements", records: many * ADS_EACH, from: () => ({ valueOf, timeOf }) });
}

/** Made before the first is pulled. */
function saturating(load: YsbLoad, probe: Probe): Injector<string> {
  const from = (first: number) => {
    const ready = Array.from({ length: load.records - first }, (_, i) => textOf(first + i, timeOf(first + i), load));
    return { valueOf: (n: number) => ready[n - first] as string, timeOf };
  };
  return numbered({ description: "events", records: load.records, from, probe });
}

export const ysb = benchmark({
  name: "ysb",
  about: "the Yahoo streaming benchmark: parse, filter, join, count by campaign and window; at saturation and at a rate",
  numbers: { records: 400_000, campaigns: 100, shards: 64, rate: 2_000, seconds: 8, warmup: 3 },
  tiny: { store: "memory", records: 1_000, campaigns: 5, shards: 2, rate: 500, seconds: 0.1, warmup: 0.05 },
  run: async (given) =>
    inTurn(given.runs, [given.records, 0], async (records) => {
      const load: YsbLoad = { rate: given.rate, seconds: given.seconds, warmUp: given.warmup, campaigns: given.campaigns, shards: given.shards, records };
      const run = await measuredRun(ysbEvents, load, settingOf(given));
      const { recordsPerSecond, nodeMicrosPerRecord, redisMicrosPerRecord, ...figures } = run.figures;
      const eventsOf = { nodeMicrosPerEvent: nodeMicrosPerRecord, redisMicrosPerEvent: redisMicrosPerRecord };
      const row = { bench: "ysb", store: given.store, fsync: given.fsync, campaigns: given.campaigns, events: all(load) };
      if (records === 0) return { ...row, rate: given.rate, ...quantiles(run.histogram("late")), ...eventsOf, ...figures, batchMean: null };
      return { ...row, eventsPerSecond: round(recordsPerSecond as number, 0), ...eventsOf, ...figures, batchMean: null };
    }),
});
