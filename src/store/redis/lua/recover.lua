#!lua flags=no-writes
-- Reads what a new owner needs of shards, and no more: heads, counts, and what must be taken up at once.
--
-- KEYS     (meta state timers wall holds held dead ids outbox inbox)*
-- ARGV     timers holds
-- REPLY    (number image position offset tail queued counts timers wall holds held outbox)*
-- ERRORS   UNKNOWNSHARD
--
-- counts: state, timers, wall, holds, dead, ids, inbox; each with its sentinel. Timers are (member time)* and (hold)*.
local function timers(key, holds, prefix)
  local entries = redis.call('ZRANGE', key, '-inf', '(inf', 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
  local times, members = {}, {}
  for i = 1, #entries, 2 do
    members[#members + 1] = prefix .. entries[i]
    if #members == 1000 or i + 1 == #entries then
      for _, time in ipairs(redis.call('ZMSCORE', holds, unpack(members))) do times[#times + 1] = time end
      members = {}
    end
  end
  return { entries, times }
end

-- Most shards have nothing set aside and nothing to deliver: not even the sentinel is worth its way.
local function all(key)
  return redis.call('HLEN', key) > 1 and redis.call('HGETALL', key) or {}
end

local shards = {}
for k = 1, #KEYS, 10 do
  local stored = redis.call('HMGET', KEYS[k], 'num', 'img', 'pos', 'off', 'tail', 'queued')
  if not stored[1] then return redis.error_reply('UNKNOWNSHARD ' .. KEYS[k]) end
  local counts = {
    redis.call('HLEN', KEYS[k + 1]), redis.call('ZCARD', KEYS[k + 2]), redis.call('ZCARD', KEYS[k + 3]),
    redis.call('ZCARD', KEYS[k + 4]), redis.call('HLEN', KEYS[k + 6]), redis.call('ZCARD', KEYS[k + 7]),
    redis.call('LLEN', KEYS[k + 9]),
  }
  local holds = redis.call('ZRANGE', KEYS[k + 4], '-inf', '(inf', 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
  shards[#shards + 1] = {
    stored, counts, timers(KEYS[k + 2], KEYS[k + 4], 't:'), timers(KEYS[k + 3], KEYS[k + 4], 'w:'), holds, all(KEYS[k + 5]), all(KEYS[k + 8]),
  }
end
return shards
