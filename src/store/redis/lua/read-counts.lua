#!lua flags=no-writes
-- Counts the entries of a shard, for an audit; and says of each structure whether its sentinel is there.
--
-- KEYS     state held dead outbox timers wall holds ids
-- ARGV
-- REPLY    (count sentinel)*
local counts = {}
for k = 1, 4 do
  counts[2 * k - 1], counts[2 * k] = redis.call('HLEN', KEYS[k]), redis.call('HEXISTS', KEYS[k], '')
end
for k = 5, 8 do
  counts[2 * k - 1], counts[2 * k] = redis.call('ZCARD', KEYS[k]), redis.call('ZSCORE', KEYS[k], '') and 1 or 0
end
return counts
