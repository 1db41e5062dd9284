#!lua flags=no-writes
-- Reads which workers are alive, until when, and what they say of themselves; nothing of one of an older version.
--
-- KEYS     workers authority
-- ARGV
-- REPLY    now (worker until about)*
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local alive, workers = redis.call('ZRANGE', KEYS[1], '(' .. string.format('%.0f', now), '(+inf', 'BYSCORE', 'WITHSCORES'), {}
for i = 1, #alive, 2 do
  local about = redis.call('HGET', KEYS[2], 'about:' .. alive[i])
  workers[#workers + 1], workers[#workers + 2], workers[#workers + 3] = alive[i], tonumber(alive[i + 1]), about
end
return { now, workers }
