#!lua flags=allow-oom
-- Gives leases up that a worker still holds: no one may commit until someone acquires.
--
-- KEYS     (meta)*
-- ARGV     worker (sequencer)*
-- REPLY    outcomes
-- OUTCOMES r released, l lost

-- Checks.
local outcomes = {}
for i, meta in ipairs(KEYS) do
  local stored = redis.call('HMGET', meta, 'own', 'seq')
  outcomes[i] = stored[1] == ARGV[1] and stored[2] == ARGV[1 + i] and 'r' or 'l'
end

-- Writes.
for i, meta in ipairs(KEYS) do
  if outcomes[i] == 'r' then
    redis.call('HDEL', meta, 'seq', 'own', 'lease')
    redis.call('HSET', meta, 'until', 0)
  end
end
return table.concat(outcomes)
