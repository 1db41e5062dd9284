#!lua flags=no-writes
-- Reads the ends of inboxes and the append counter, as of one moment.
--
-- KEYS     appends (meta)*
-- ARGV
-- REPLY    appends (tail queued)*
-- ERRORS   UNKNOWNSHARD
local tails = {}
for k = 2, #KEYS do
  local stored = redis.call('HMGET', KEYS[k], 'tail', 'queued')
  if not stored[1] then return redis.error_reply('UNKNOWNSHARD ' .. KEYS[k]) end
  tails[2 * k - 3], tails[2 * k - 2] = tonumber(stored[1]), tonumber(stored[2])
end
return { tonumber(redis.call('GET', KEYS[1]) or 0), tails }
