#!lua flags=no-writes
-- Reads parcels of an inbox from an absolute position on, with what meta says of the inbox at that moment.
--
-- KEYS     meta inbox
-- ARGV     from parcels
-- REPLY    from position offset tail queued (parcel)*
local stored = redis.call('HMGET', KEYS[1], 'pos', 'off', 'tail', 'queued')
local position = tonumber(stored[1] or 0) or 0
local from = math.max(tonumber(ARGV[1]), position)
local first = from - position + 1
return { from, stored[1], stored[2], stored[3], stored[4], redis.call('LRANGE', KEYS[2], first, first + ARGV[2] - 1) }
