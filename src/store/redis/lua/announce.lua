#!lua flags=allow-oom
-- Says that a worker is alive for a while and what it says of itself, forgets those whose time is over, and gives those that
-- are alive, with the version of the graph.
--
-- KEYS     workers authority graph
-- ARGV     worker ms about said
-- REPLY    now version (worker)*
--
-- `said` is 1 where the worker has said the same `about` before: then it is put there only if the worker was forgotten.
-- The sentinel, last of all, is put there too: data that is older than announcements has none.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Checks.
local key, ends, known, alive, over = KEYS[1], now + ARGV[2], false, {}, {}
local stored = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
for i = 1, #stored, 2 do
  local worker = stored[i]
  if worker == ARGV[1] then known = true
  elseif worker ~= '' and tonumber(stored[i + 1]) <= now then over[#over + 1] = worker
  elseif worker ~= '' then alive[#alive + 1] = worker end
end
if ends > now then alive[#alive + 1] = ARGV[1] else over[#over + 1] = ARGV[1] end

-- Writes.
redis.call('ZADD', key, '+inf', '', string.format('%.0f', ends), ARGV[1])
if not known or ARGV[4] ~= '1' then redis.call('HSET', KEYS[2], 'about:' .. ARGV[1], ARGV[3]) end
for _, worker in ipairs(over) do
  redis.call('ZREM', key, worker)
  redis.call('HDEL', KEYS[2], 'about:' .. worker)
end
return { now, tonumber(redis.call('HGET', KEYS[3], 'version') or 0), alive }
