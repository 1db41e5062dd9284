#!lua
-- Stores a graph and creates and removes the structures of its shards, if the stored version is the expected one.
--
-- KEYS     graph appends authority workers leases (meta state inbox timers wall holds held dead ids outbox marks)* (structure)*
-- ARGV     expected version graph created added (participant cells owners published)* (participant)*
-- REPLY    outcome
-- OUTCOMES s stored, c changed-meanwhile
--
-- `expected` is empty for: none. `created` counts shards to create, whose keys come first; the other keys are removed.
-- `added` counts participants new to the authority; those after them are removed from it. What is published are
-- records of 25 bytes that begin with the participant's id, as a double (`authority-bytes.ts`).
local stored = redis.call('HGET', KEYS[1], 'version') or ''

-- Checks.
if stored ~= ARGV[1] then return 'c' end

-- Writes.
local created, added = tonumber(ARGV[4]), tonumber(ARGV[5])
for first = 6 + 11 * created, #KEYS, 1000 do
  redis.call('UNLINK', unpack(KEYS, first, math.min(first + 999, #KEYS)))
end
for k = 6, 5 + 11 * created, 11 do
  redis.call('HSET', KEYS[k], 'mono', 0, 'until', 0, 'num', 0, 'cid', '', 'pos', 0, 'off', 0, 'tail', 0, 'queued', 0)
  redis.call('HSET', KEYS[k + 1], '', '')
  redis.call('RPUSH', KEYS[k + 2], '_')
  for set = k + 3, k + 5 do redis.call('ZADD', KEYS[set], '+inf', '') end
  redis.call('HSET', KEYS[k + 6], '', '')
  redis.call('HSET', KEYS[k + 7], '', '')
  redis.call('ZADD', KEYS[k + 8], '+inf', '')
  redis.call('HSET', KEYS[k + 9], '', '')
  redis.call('HSET', KEYS[k + 10], '', '')
end
local removed, published, before = {}, {}, redis.call('HGET', KEYS[3], 'published') or ''
for a = 6 + 4 * added, #ARGV do
  redis.call('HDEL', KEYS[3], 'cells:' .. ARGV[a], 'owners:' .. ARGV[a])
  removed[tonumber(ARGV[a])] = true
end
for at = 1, #before, 25 do
  local track = struct.unpack('<d', before, at)
  if not removed[track % 65536] then published[#published + 1] = string.sub(before, at, at + 24)
  elseif track >= 65536 then redis.call('HDEL', KEYS[3], 'cells:' .. track, 'owners:' .. track) end
end
for a = 6, 5 + 4 * added, 4 do
  redis.call('HSET', KEYS[3], 'cells:' .. ARGV[a], ARGV[a + 1], 'owners:' .. ARGV[a], ARGV[a + 2])
  published[#published + 1] = ARGV[a + 3]
end
redis.call('HSET', KEYS[3], 'published', table.concat(published))
redis.call('SETNX', KEYS[2], 0)
redis.call('ZADD', KEYS[4], '+inf', '')
redis.call('ZADD', KEYS[5], '+inf', '')
redis.call('HDEL', KEYS[1], 'next')
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'graph', ARGV[3])
return 's'
