#!lua flags=no-writes
-- Reads what there is one of in a shard, for an audit: all fields of meta that are known, how long its inbox is, and the
-- identity of the parcel consumed last.
--
-- KEYS     meta inbox
-- ARGV
-- REPLY    sequencer monotonic owner until number id image position offset tail queued length consumed
local stored = redis.call('HMGET', KEYS[1], 'seq', 'mono', 'own', 'until', 'num', 'cid', 'img', 'pos', 'off', 'tail', 'queued')
stored[12] = redis.call('LLEN', KEYS[2])
stored[13] = string.sub(redis.call('LINDEX', KEYS[2], 0) or '', 1, 24)
return stored
