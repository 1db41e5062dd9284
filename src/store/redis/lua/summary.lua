#!lua flags=no-writes
-- Counts what is stored of shards, for people.
--
-- KEYS     (meta state timers wall held dead outbox)*
-- ARGV
-- REPLY    (sequencer owner until number image queued tail counts)*
--
-- counts: state, timers, wall, held, dead, outbox; each with its sentinel. A shard that does not exist is a list of nothing.
local shards = {}
for k = 1, #KEYS, 7 do
  local stored = redis.call('HMGET', KEYS[k], 'seq', 'own', 'until', 'num', 'img', 'queued', 'tail')
  local counts = {
    redis.call('HLEN', KEYS[k + 1]), redis.call('ZCARD', KEYS[k + 2]), redis.call('ZCARD', KEYS[k + 3]),
    redis.call('HLEN', KEYS[k + 4]), redis.call('HLEN', KEYS[k + 5]), redis.call('HLEN', KEYS[k + 6]),
  }
  shards[#shards + 1] = stored[4] and { stored, counts } or {}
end
return shards
