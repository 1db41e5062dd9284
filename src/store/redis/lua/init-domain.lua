#!lua
-- Makes one atomic domain of a cluster what a graph wants: creates the structures of its shards that are not there,
-- removes those of participants that are gone, and has commits carry the graph's version from now on.
--
-- KEYS     graph appends leases (meta state inbox timers wall holds held dead ids outbox marks)* (structure)*
-- ARGV     version shards
-- REPLY    outcome
-- OUTCOMES r raised, a already
--
-- `shards` counts those of the graph in this domain, whose keys come first; the other keys are removed. A domain that has
-- this version or a later one is left as it is.
local stored = tonumber(redis.call('HGET', KEYS[1], 'version') or 0)

-- Checks.
if stored >= tonumber(ARGV[1]) then return 'a' end

-- Writes.
local last = 3 + 11 * tonumber(ARGV[2])
for first = last + 1, #KEYS, 1000 do
  redis.call('UNLINK', unpack(KEYS, first, math.min(first + 999, #KEYS)))
end
for k = 4, last, 11 do
  if redis.call('EXISTS', KEYS[k]) == 0 then
    redis.call('HSET', KEYS[k], 'mono', 0, 'until', 0, 'num', 0, 'cid', '', 'pos', 0, 'off', 0, 'tail', 0, 'queued', 0)
    redis.call('HSET', KEYS[k + 1], '', '')
    redis.call('RPUSH', KEYS[k + 2], '_')
    for set = k + 3, k + 5 do redis.call('ZADD', KEYS[set], '+inf', '') end
    redis.call('HSET', KEYS[k + 6], '', '')
    redis.call('HSET', KEYS[k + 7], '', '')
    redis.call('ZADD', KEYS[k + 8], '+inf', '')
    redis.call('HSET', KEYS[k + 9], '', '')
    redis.call('HSET', KEYS[k + 10], '', '')
  end
end
redis.call('SETNX', KEYS[2], 0)
redis.call('ZADD', KEYS[3], '+inf', '')
redis.call('HSET', KEYS[1], 'version', ARGV[1])
return 'r'
