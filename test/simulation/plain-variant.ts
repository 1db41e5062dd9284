/** A shape with nothing but what it has to have, for tests of the oracle's parts. */
export const PLAIN = {
  shards: 1,
  domains: 1,
  attempts: 1,
  partitions: 1,
  asynchronous: false,
  effects: undefined,
  maxSkew: undefined,
  percentile: undefined,
  filtered: false,
};
