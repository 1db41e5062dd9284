#!lua flags=no-writes
-- Reads the earliest timers of one clock, with the times of their entries in holds.
--
-- KEYS     timers holds
-- ARGV     prefix limit
-- REPLY    (member time)* (hold)*
-- ERRORS   UNKNOWNSHARD
--
-- `prefix` makes the member of holds out of a timer's. Timers of equal times are in the order of their bytes.
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('UNKNOWNSHARD ' .. KEYS[1]) end
local entries = redis.call('ZRANGE', KEYS[1], '-inf', '(inf', 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
local holds, members = {}, {}
for i = 1, #entries, 2 do
  members[#members + 1] = ARGV[1] .. entries[i]
  if #members == 1000 or i + 1 == #entries then
    for _, hold in ipairs(redis.call('ZMSCORE', KEYS[2], unpack(members))) do holds[#holds + 1] = hold end
    members = {}
  end
end
return { entries, holds }
