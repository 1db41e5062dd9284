/** What the conformance suites of injectors and sinks are made of; for any test runner. */

/** One claim about a connector: `test(name, run)` in vitest, jest or node:test. */
export interface ConnectorCheck {
  readonly name: string;
  /** Rejects with an Error that says what was found. Takes a few seconds at most. */
  readonly run: () => Promise<void>;
}

/** How checks are made of bodies that each have an outside of their own, which is taken down whatever happens. */
export function checksOn<H extends { readonly close?: () => Promise<void> }>(
  setup: () => Promise<H>,
): (name: string, body: (harness: H) => Promise<void>) => ConnectorCheck {
  return (name, body) => ({
    name,
    run: async () => {
      const harness = await setup();
      try {
        await body(harness);
      } finally {
        await harness.close?.();
      }
    },
  });
}

/** Throws where a claim does not hold. */
export function demand(holds: boolean, text: () => string): asserts holds {
  if (!holds) throw new Error(text());
}

/** The first few, for an error text. */
function some(values: readonly unknown[]): string {
  return `${values.slice(0, 5).map(String).join(", ")}${values.length > 5 ? `, ... (${values.length})` : ""}`;
}

/** How `found` differs from `expected`, each of which should be there once; undefined: it does not. */
export function difference(expected: readonly string[], found: readonly string[], ordered: boolean): string | undefined {
  const counts = new Map<string, number>();
  for (const each of found) counts.set(each, (counts.get(each) ?? 0) + 1);
  const lost = expected.filter((each) => !counts.has(each));
  if (lost.length > 0) return `lost: ${some(lost)}`;
  const doubled = [...counts].filter(([, count]) => count > 1).map(([each]) => each);
  if (doubled.length > 0) return `there more than once: ${some(doubled)}`;
  const known = new Set(expected);
  const foreign = found.filter((each) => !known.has(each));
  if (foreign.length > 0) return `there, though nobody put it there: ${some(foreign)}`;
  if (ordered && found.some((each, i) => each !== expected[i])) return `in another order: ${some(found)}`;
  return undefined;
}
