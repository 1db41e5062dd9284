#!lua flags=allow-oom
-- Prolongs the leases that a worker still holds.
--
-- KEYS     (meta)*
-- ARGV     worker lease-ms (sequencer)*
-- REPLY    now outcomes
-- OUTCOMES r renewed, l lost
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Checks.
local outcomes = {}
for i, meta in ipairs(KEYS) do
  local stored = redis.call('HMGET', meta, 'own', 'seq')
  outcomes[i] = stored[1] == ARGV[1] and stored[2] == ARGV[2 + i] and 'r' or 'l'
end

-- Writes.
for i, meta in ipairs(KEYS) do
  if outcomes[i] == 'r' then redis.call('HSET', meta, 'until', string.format('%.0f', now + ARGV[2])) end
end
return { now, table.concat(outcomes) }
