#!lua flags=no-writes
-- Looks entries of a shard up by their names, as of one moment.
--
-- KEYS     state timers wall holds
-- ARGV     most fields timers wall (field)* (timer)* (wall)* (hold)*
-- REPLY    (value)* (time)* (time)* (time)*
--
-- The first three numbers count names; of a value, `most` bytes are given.
local most, a = tonumber(ARGV[1]), 5
local counts = { tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]) }
counts[4] = #ARGV - 4 - counts[1] - counts[2] - counts[3]
local found = { {}, {}, {}, {} }
for k = 1, 4 do
  local last = a + counts[k] - 1
  for first = a, last, 1000 do
    local to = math.min(first + 999, last)
    local values = k == 1 and redis.call('HMGET', KEYS[1], unpack(ARGV, first, to)) or redis.call('ZMSCORE', KEYS[k], unpack(ARGV, first, to))
    for i = 1, to - first + 1 do found[k][first - a + i] = values[i] and string.sub(values[i], 1, most) end
  end
  a = last + 1
end
return found
