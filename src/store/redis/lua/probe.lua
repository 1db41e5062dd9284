#!lua flags=allow-oom
-- Does, on a key of its own, all that the other scripts do, and raises an error where the server or the rights of the
-- user do not allow it. Leaves nothing behind.
--
-- KEYS     probe
-- ARGV
-- REPLY    now
local key = KEYS[1]
redis.call('UNLINK', key)
redis.call('HSET', key, '', '', 'a', 1, 'b', 2)
assert(#redis.call('HMGET', key, '', 'a') == 2 and redis.call('HGET', key, 'a') == '1' and redis.call('HLEN', key) == 3)
redis.call('HGETALL', key)
redis.call('HKEYS', key)
redis.call('HDEL', key, 'a', 'b')
redis.call('UNLINK', key)
redis.call('ZADD', key, '+inf', '', 9007199254740991, 'a', 2, 'c', 2, 'b')
assert(table.concat(redis.call('ZRANGE', key, '-inf', '(inf', 'BYSCORE', 'LIMIT', 0, 9, 'WITHSCORES'), ' ') == 'b 2 c 2 a 9007199254740991')
assert(redis.call('ZMSCORE', key, 'a', 'none')[1] == '9007199254740991' and redis.call('ZCARD', key) == 4)
redis.call('ZREM', key, 'b')
redis.call('ZREMRANGEBYSCORE', key, '-inf', '(3')
redis.call('UNLINK', key)
redis.call('RPUSH', key, '_', 'a', 'b')
redis.call('LTRIM', key, 1, -1)
assert(redis.call('LINDEX', key, 0) == 'a' and #redis.call('LRANGE', key, 1, 5) == 1 and redis.call('EXISTS', key) == 1)
redis.call('UNLINK', key)
redis.call('SETNX', key, 0)
assert(redis.call('INCR', key) == 1 and redis.call('GET', key) == '1')
redis.call('UNLINK', key)
assert(struct.unpack('<I4I4', '\1\0\0\0\2\0\0\0') == 1 and select(2, struct.unpack('<c1d', struct.pack('<c1d', 'x', 9007199254740991))) == 9007199254740991)
assert( string.format('%.0f', 9007199254740991) == '9007199254740991')
local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000)
