/** The dashboard and the alerts of examples/deploy, compared with what workers expose after a run in which everything happens. */
import { expect, test } from "vitest";
import { parse } from "yaml";
import { exponential, fromHttp, MemoryStore, Pipeline, stream } from "../../src/index.ts";
import { workerOf } from "../../src/run.ts";
import { Feed } from "../inspect/feed.ts";
import { Counter, counts, type Inspected, inspected, items, kept } from "../inspect/pipelines.ts";
import { documentText } from "./document-tables.ts";

interface Exposed {
  readonly type: string;
  readonly help: string;
  readonly series: string[];
  readonly labels: Set<string>;
}

const POLL = { timeout: 30_000 };
/** Keys of the records: none of them may become a label. */
const KEYS = 200;
const posted = stream<{ readonly name: string }>("posted");

/** Two workers: failures, timers, dead letters, HTTP. */
async function exposed(): Promise<ReadonlyMap<string, Exposed>> {
  const store = new MemoryStore({ exclusive: false });
  const feeds = [new Feed(), new Feed()] as const;
  const begin = async (feed: Feed): Promise<Inspected> => {
    const pipeline = new Pipeline("busy", { shards: 4 })
      .inject("feed", items, feed.injector(), { maxSkew: 1_000_000 })
      .inject("posted", posted, fromHttp())
      .compute(
        "counter",
        () =>
          new Counter((record, context, counter) => {
            if (record.key === "bad") throw new Error("bad record");
            context.setTimer(counter.closing.for("soon"), record.timestamp + 1);
          }),
        { attempts: 2, backoff: exponential(1, 1) },
      )
      .sink("list", counts, kept([]));
    return await inspected(pipeline, store);
  };
  const workers = [await begin(feeds[0]), await begin(feeds[1])];
  for (const feed of feeds) {
    for (let n = 0; n < KEYS; n++) feed.push(`key-${n}`, 100 + n);
    feed.push("bad", 400);
    feed.promise(500);
  }
  for (const { running } of workers) workerOf(running).rejections.add({ computation: "counter", key: "key-1", reason: "?", at: 0 });
  await expect.poll(async () => (await workers[0]?.endpoint.readiness())?.ready, POLL).toBe(true);
  const post = async (): Promise<number> => {
    const headers = { "content-type": "application/json", "idempotency-key": "1" };
    const { status } = await fetch(`${workers[0]?.running.url}/v1/streams/posted/records`, { method: "POST", headers, body: '{"name":"ann"}' });
    return status;
  };
  // The injector's shard may be on its way from one worker to the other.
  await expect.poll(post, POLL).toBe(200);
  let texts: string[] = [];
  await expect
    .poll(async () => {
      texts = await Promise.all(workers.map(async ({ running }) => (await fetch(`${running.url}/metrics`)).text()));
      // Absent before the first watermarks, all of them.
      if (!/^millrace_watermark_input_lag_seconds{/m.test(texts.join("\n"))) return false;
      return ["timers_fired", "failures", "dead_letters"].every((name) => new RegExp(`millrace_${name}_total{.*} [1-9]`).test(texts.join("")));
    }, POLL)
    .toBe(true);
  return metricsIn(texts.join(""));
}

function metricsIn(text: string): ReadonlyMap<string, Exposed> {
  const metrics = new Map<string, Exposed>();
  for (const [, name = "", help = ""] of text.matchAll(/^# HELP (\w+) (.+)$/gm))
    if (!metrics.has(name)) metrics.set(name, { help, type: new RegExp(`^# TYPE ${name} (\\w+)$`, "m").exec(text)?.[1] ?? "", series: [], labels: new Set() });
  for (const [series, name = "", labels = ""] of text.matchAll(/^(\w+)(?:\{(.*)\})? [^\n]+$/gm)) {
    const metric = metrics.get(name) as Exposed;
    metric.series.push(series);
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) metric.labels.add(label);
  }
  return metrics;
}

/** Put on every series by Prometheus itself. */
const OF_THE_SCRAPE = ["job", "instance"];

/** What an expression asks for that is not there. */
function missingIn(expression: string, metrics: ReadonlyMap<string, Exposed>): string[] {
  const names = [...expression.matchAll(/\b(?:millrace|process)_\w+/g)].map(([name]) => name);
  const known = new Set([...OF_THE_SCRAPE, ...names.flatMap((name) => [...(metrics.get(name)?.labels ?? [])])]);
  const labels = [...expression.matchAll(/\bby \(([^)]*)\)|(\w+)=~?"/g)].flatMap(([, by, label]) => (by === undefined ? [label ?? ""] : by.split(", ")));
  return [...names.filter((name) => !metrics.has(name)), ...labels.filter((label) => !known.has(label)), ...(names.length === 0 ? ["any metric"] : [])];
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[] }[];
}
interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string; readonly annotations: Readonly<Record<string, string>> }[];
  }[];
}

test("every metric and label of the dashboard and of the alerts is in /metrics, whose names keep Prometheus' conventions and have no key", async () => {
  const metrics = await exposed();
  const dashboard = JSON.parse(documentText("examples/deploy/grafana-dashboard.json")) as Dashboard;
  const rules = parse(documentText("examples/deploy/prometheus-rules.yml")) as Rules;
  const expressions = [
    ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr, legendFormat }) => [title, expr, legendFormat] as const)),
    ...rules.groups.flatMap(({ rules: all }) => all.map(({ alert, expr, annotations }) => [alert, expr, Object.values(annotations).join(" ")] as const)),
  ];
  expect(expressions.length).toBeGreaterThan(40);
  for (const [where, expression, text] of expressions) {
    expect([where, missingIn(expression, metrics)]).toEqual([where, []]);
    // A label that the aggregation drops would be shown as nothing.
    const kept = /\bby \(([^)]*)\)/.exec(expression)?.[1]?.split(", ");
    for (const [, label = ""] of text.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)) expect([where, kept?.includes(label) ?? true]).toEqual([where, true]);
  }
  const shown = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join(" ");
  const documented = documentText("docs/http.md");
  for (const [name, { type, help, series }] of metrics) {
    expect(name).toMatch(/^(millrace|process)_[a-z]+(_[a-z]+)*$/);
    expect(name).not.toMatch(/_(ms|milliseconds|minutes|percent|kb|mb|count|share)(_|$)/);
    expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
    expect(help.length).toBeGreaterThan(10);
    expect([name, series.some((each) => /key-\d|ann|bad/.test(each))]).toEqual([name, false]);
    // Two workers; no metric has more than four values of a label for each of the four participants.
    expect(series.length).toBeLessThanOrEqual(2 * 4 * 4);
    expect([name, documented.includes(`\`${name}`) || documented.includes(`\`${name.replace("millrace", "")}`)]).toEqual([name, true]);
    if (!name.includes("watermark_timestamp")) expect([name, shown.includes(name)]).toEqual([name, true]);
  }
});

test("an expression on what is not there is found", async () => {
  const metrics = metricsIn('# HELP millrace_a_total Counts a.\n# TYPE millrace_a_total counter\nmillrace_a_total{of="x"} 1\n');
  expect(missingIn('sum by (of, job) (rate(millrace_a_total{of=~"$x"}[5m]))', metrics)).toEqual([]);
  expect(missingIn('sum by (off) (millrace_a_total{from="1"} / millrace_b_total)', metrics)).toEqual(["millrace_b_total", "off", "from"]);
  expect(missingIn("up == 0", metrics)).toEqual(["any metric"]);
});
