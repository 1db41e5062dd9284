#!lua
-- Decides what the graph of a cluster is to be, if the stored version is the expected one and no other change is under way.
--
-- KEYS     graph
-- ARGV     expected next domains
-- REPLY    outcome
-- OUTCOMES s stored, c changed-meanwhile
--
-- `expected` is empty for: none.
local stored = redis.call('HMGET', KEYS[1], 'version', 'next')

-- Checks.
if (stored[1] or '') ~= ARGV[1] or stored[2] then return 'c' end

-- Writes.
redis.call('HSET', KEYS[1], 'next', ARGV[2], 'domains', ARGV[3])
return 's'
