/** Lists whose parts are asked of several atomic domains, and whose answers are put together again. */

/**
 * Does something with the part of each domain, all of them at once, and gives what came of each of the list, in its order.
 * Where one part fails, that is told when all are through: whoever asked knows of none whether it was done.
 */
export async function divided<T, R>(
  list: readonly T[],
  domainOf: (each: T) => number,
  work: (part: readonly T[], domain: number) => Promise<readonly R[]>,
): Promise<R[]> {
  const places = new Map<number, number[]>();
  list.forEach((each, i) => {
    const domain = domainOf(each);
    const known = places.get(domain);
    if (known === undefined) places.set(domain, [i]);
    else known.push(i);
  });
  const [only] = places.keys();
  if (places.size <= 1) return [...(await work(list, only ?? 0))];
  const results = new Array<R>(list.length);
  const parts = [...places].map(async ([domain, mine]) => {
    const answers = await work(
      mine.map((i) => list[i] as T),
      domain,
    );
    for (const [nth, i] of mine.entries()) results[i] = answers[nth] as R;
  });
  for (const settled of await Promise.allSettled(parts)) if (settled.status === "rejected") throw settled.reason;
  return results;
}
