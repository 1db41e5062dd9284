#!lua flags=allow-oom
-- Makes one lease of the shards that a worker still holds, or prolongs the one that it has made before.
--
-- KEYS     leases (meta)*
-- ARGV     worker lease-ms lease next (sequencer)*
-- REPLY    now outcomes
-- OUTCOMES r renewed, l lost
--
-- `lease` is the one to be prolonged (empty: none), `next` the one to be made where that is gone: of the two, the id. One
-- that is there has lost nothing, for whoever takes a shard of it takes it away (`acquire.lua`); then there are no outcomes
-- and no shard was looked at. In the millisecond of the last renewal the server does not tell it from one that is gone.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = string.format('%.0f', now + ARGV[2])

-- Checks.
local function look()
  local outcomes, held = {}, {}
  for i = 2, #KEYS do
    local stored = redis.call('HMGET', KEYS[i], 'own', 'seq')
    local holds = stored[1] == ARGV[1] and stored[2] == ARGV[3 + i]
    outcomes[i - 1] = holds and 'r' or 'l'
    if holds then held[#held + 1] = i end
  end
  return outcomes, held
end

-- Writes.
local outcomes, held = {}, {}
if ARGV[3] == '' or redis.call('ZADD', KEYS[1], 'XX', 'CH', ends, ARGV[3] .. ' ' .. ARGV[1]) == 0 then outcomes, held = look() end
for _, i in ipairs(held) do redis.call('HSET', KEYS[i], 'lease', ARGV[4]) end
if #held > 0 then redis.call('ZADD', KEYS[1], '+inf', '', ends, ARGV[4] .. ' ' .. ARGV[1]) end
return { now, table.concat(outcomes) }
