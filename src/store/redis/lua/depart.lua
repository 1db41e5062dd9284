#!lua flags=allow-oom
-- Forgets a worker at once.
--
-- KEYS     workers
-- ARGV     worker
-- REPLY    departed

-- Checks.

-- Writes.
return redis.call('ZREM', KEYS[1], ARGV[1])
