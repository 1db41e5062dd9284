#!lua flags=allow-oom
-- Makes a worker the owner of shards that no one else holds, each under a new sequencer.
--
-- KEYS     leases (meta)*
-- ARGV     worker lease-ms steal (random)*
-- REPLY    now (outcome sequencer abandoned | outcome worker until)*
-- OUTCOMES a acquired, h held-by
-- ERRORS   UNKNOWNSHARD
--
-- `abandoned` is 1 where another worker had the shard and never released it.
-- `steal` is 1 to take shards although another's lease has not run out. The monotonic part of a sequencer is
-- max(stored + 1, now): a store that lost its tail does not grant one again.
--
-- A shard is held until its lease ends that its owner has made with `renew.lua`; where it is in none, or in one that is
-- gone, as long as it was granted here. Leases of which a shard is taken go, and those that are over.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local ends = {}
local function endOf(lease, granted)
  if ends[lease] == nil then ends[lease] = tonumber(redis.call('ZSCORE', KEYS[1], lease)) or false end
  return ends[lease] or tonumber(granted)
end

-- Checks.
local outcomes, taken = {}, nil
for i = 2, #KEYS do
  local stored = redis.call('HMGET', KEYS[i], 'own', 'until', 'mono', 'lease')
  if not stored[3] then return redis.error_reply('UNKNOWNSHARD ' .. KEYS[i]) end
  local another = stored[1] and stored[1] ~= ARGV[1]
  local lease = another and (stored[4] or '') .. ' ' .. stored[1]
  if another and endOf(lease, stored[2]) > now and ARGV[3] ~= '1' then
    outcomes[i - 1] = { 'h', stored[1], string.format('%.0f', endOf(lease, stored[2])) }
  else
    taken = taken or {}
    if another and ends[lease] then taken[lease] = true end
    outcomes[i - 1] = { 'a', string.format('%.0f', math.max(stored[3] + 1, now)), another and 1 or 0 }
  end
end

-- Writes.
local granted = string.format('%.0f', now + ARGV[2])
if taken then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
  for lease in pairs(taken) do redis.call('ZREM', KEYS[1], lease) end
end
for i, outcome in ipairs(outcomes) do
  if outcome[1] == 'a' then
    local monotonic = outcome[2]
    outcome[2] = monotonic .. '.' .. ARGV[3 + i]
    redis.call('HSET', KEYS[i + 1], 'seq', outcome[2], 'mono', monotonic, 'own', ARGV[1], 'until', granted, 'lease', '')
  end
end
return { now, outcomes }
