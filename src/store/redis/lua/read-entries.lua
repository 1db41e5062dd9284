#!lua flags=no-writes
-- Reads a page of a hash, for an audit: one string for all, since a reply of many is dear to take apart.
--
-- KEYS     structure
-- ARGV     cursor count most
-- REPLY    cursor bytes entries
--
-- Entries are a list of names and values in turn, as MessagePack; of a value, at most `most` bytes are given. `bytes`
-- are those of all values, whole.
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local flat, most, bytes = page[2], tonumber(ARGV[3]), 0
for i = 2, #flat, 2 do
  local size = #flat[i]
  bytes = bytes + size
  if size > most then flat[i] = string.sub(flat[i], 1, most) end
end
return { page[1], bytes, cmsgpack.pack(flat) }
