/** What a call to the store names is all of one atomic domain: lists are divided by it. */

/** In order within each domain, which are in the order of their first. */
export function byDomain<T>(list: Iterable<T>, domainOf: (each: T) => number): ReadonlyMap<number, readonly T[]> {
  const domains = new Map<number, T[]>();
  for (const each of list) {
    const domain = domainOf(each);
    const known = domains.get(domain);
    if (known === undefined) domains.set(domain, [each]);
    else known.push(each);
  }
  return domains;
}
