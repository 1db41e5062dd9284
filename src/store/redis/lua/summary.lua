#!lua flags=no-writes
-- Counts what is stored of shards, for people.
--
-- KEYS     (meta state timers wall held dead outbox leases)*
-- ARGV
-- REPLY    (sequencer owner until number image queued tail counts)*
--
-- counts: state, timers, wall, held, dead, outbox; each with its sentinel. A shard that does not exist is a list of nothing.
-- `until` is when the lease ends, as `acquire.lua` takes it.
local shards, ends = {}, {}
for k = 1, #KEYS, 8 do
  local stored = redis.call('HMGET', KEYS[k], 'seq', 'own', 'until', 'num', 'img', 'queued', 'tail', 'lease')
  local counts = {
    redis.call('HLEN', KEYS[k + 1]), redis.call('ZCARD', KEYS[k + 2]), redis.call('ZCARD', KEYS[k + 3]),
    redis.call('HLEN', KEYS[k + 4]), redis.call('HLEN', KEYS[k + 5]), redis.call('HLEN', KEYS[k + 6]),
  }
  if stored[2] and stored[8] then
    local lease = stored[8] .. ' ' .. stored[2]
    if ends[lease] == nil then ends[lease] = redis.call('ZSCORE', KEYS[k + 7], lease) end
    stored[3] = ends[lease] or stored[3]
  end
  shards[#shards + 1] = stored[4] and { stored, counts } or {}
end
return shards
