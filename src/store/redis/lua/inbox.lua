#!lua flags=no-writes
-- Reads parcels of an inbox from an absolute position on.
--
-- KEYS     meta inbox
-- ARGV     from parcels
-- REPLY    from tail (parcel)*
-- ERRORS   UNKNOWNSHARD
--
-- The list begins with the parcel consumed last, so the parcel at position p is element p - pos + 1.
local stored = redis.call('HMGET', KEYS[1], 'pos', 'tail')
if not stored[1] then return redis.error_reply('UNKNOWNSHARD ' .. KEYS[1]) end
local from = math.max(tonumber(ARGV[1]), tonumber(stored[1]))
local first = from - stored[1] + 1
return { from, tonumber(stored[2]), redis.call('LRANGE', KEYS[2], first, first + ARGV[2] - 1) }
