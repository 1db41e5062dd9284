#!lua flags=no-writes
-- Reads a page of a sorted set, for an audit: one string for all, since a reply of many is dear to take apart.
--
-- KEYS     structure
-- ARGV     cursor count
-- REPLY    cursor entries
--
-- Entries are a list of members and times in turn, as MessagePack, all of them text.
local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
return { page[1], cmsgpack.pack(page[2]) }
