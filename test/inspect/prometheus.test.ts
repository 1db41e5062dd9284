import { expect, test } from "vitest";
import { prometheusText } from "../../src/inspect/prometheus.ts";

test("samples stand under the help and the type of their metric", () => {
  const text = prometheusText([
    {
      name: "a_total",
      help: "Counts a.",
      type: "counter",
      samples: [
        { labels: { of: "x", kind: "y" }, value: 3 },
        { labels: {}, value: 0.5 },
      ],
    },
    {
      name: "b",
      help: "Is b.",
      type: "gauge",
      samples: [
        { labels: {}, value: Number.POSITIVE_INFINITY },
        { labels: {}, value: Number.NEGATIVE_INFINITY },
      ],
    },
  ]);
  expect(text).toBe(
    '# HELP a_total Counts a.\n# TYPE a_total counter\na_total{of="x",kind="y"} 3\na_total 0.5\n# HELP b Is b.\n# TYPE b gauge\nb +Inf\nb -Inf\n',
  );
});

test("a metric without samples is left out", () => {
  expect(prometheusText([{ name: "a", help: "a", type: "gauge", samples: [] }])).toBe("");
});

test("no label's value can leave its quotes, and no help its line", () => {
  const text = prometheusText([{ name: "a", help: "one\\two\nthree", type: "gauge", samples: [{ labels: { of: 'x"} 1\nb{c="\\' }, value: 1 }] }]);
  expect(text).toBe('# HELP a one\\\\two\\nthree\n# TYPE a gauge\na{of="x\\"} 1\\nb{c=\\"\\\\"} 1\n');
});
