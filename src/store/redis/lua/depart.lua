#!lua flags=allow-oom
-- Forgets a worker at once.
--
-- KEYS     workers authority
-- ARGV     worker
-- REPLY    departed

-- Checks.

-- Writes.
redis.call('HDEL', KEYS[2], 'about:' .. ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
