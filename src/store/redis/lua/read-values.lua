#!lua flags=no-writes
-- Reads values of state whole, with the number of the last commit, as of one moment.
--
-- KEYS     meta state
-- ARGV     (field)*
-- REPLY    number (value)*
local found = { redis.call('HGET', KEYS[1], 'num') }
for i = 1, #ARGV do found[i + 1] = redis.call('HGET', KEYS[2], ARGV[i]) end
return found
