#!lua flags=allow-oom
-- Makes a worker the owner of shards that no one else holds, each under a new sequencer.
--
-- KEYS     (meta)*
-- ARGV     worker lease-ms steal (random)*
-- REPLY    now (outcome sequencer abandoned | outcome worker until)*
-- OUTCOMES a acquired, h held-by
-- ERRORS   UNKNOWNSHARD
--
-- `abandoned` is 1 where another worker had the shard and never released it.
-- `steal` is 1 to take shards although another's lease has not run out. The monotonic part of a sequencer is
-- max(stored + 1, now): a store that lost its tail does not grant one again.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Checks.
local outcomes = {}
for i, meta in ipairs(KEYS) do
  local stored = redis.call('HMGET', meta, 'own', 'until', 'mono')
  if not stored[3] then return redis.error_reply('UNKNOWNSHARD ' .. meta) end
  if stored[1] and stored[1] ~= ARGV[1] and tonumber(stored[2]) > now and ARGV[3] ~= '1' then
    outcomes[i] = { 'h', stored[1], stored[2] }
  else
    outcomes[i] = { 'a', string.format('%.0f', math.max(stored[3] + 1, now)), stored[1] and stored[1] ~= ARGV[1] and 1 or 0 }
  end
end

-- Writes.
for i, meta in ipairs(KEYS) do
  if outcomes[i][1] == 'a' then
    local monotonic = outcomes[i][2]
    outcomes[i][2] = monotonic .. '.' .. ARGV[3 + i]
    redis.call('HSET', meta, 'seq', outcomes[i][2], 'mono', monotonic, 'own', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]))
  end
end
return { now, outcomes }
