#!lua flags=allow-oom
-- Says that a worker is alive for a while and what it says of itself, forgets those whose time is over, and gives those that
-- are alive, with the version of the graph.
--
-- KEYS     workers authority graph
-- ARGV     worker ms about
-- REPLY    now version (worker)*
--
-- The sentinel, last of all, is put there too: data that is older than announcements has none.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Checks.
local key = KEYS[1]

-- Writes.
redis.call('ZADD', key, '+inf', '', string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('HSET', KEYS[2], 'about:' .. ARGV[1], ARGV[3])
for _, worker in ipairs(redis.call('ZRANGE', key, '-inf', string.format('%.0f', now), 'BYSCORE')) do
  redis.call('ZREM', key, worker)
  redis.call('HDEL', KEYS[2], 'about:' .. worker)
end
return { now, tonumber(redis.call('HGET', KEYS[3], 'version') or 0), redis.call('ZRANGE', key, 0, -2) }
