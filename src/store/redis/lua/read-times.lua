#!lua flags=no-writes
-- Reads a page of a sorted set, for an audit: one string for all, since a reply of many is dear to take apart.
--
-- KEYS     structure
-- ARGV     cursor count
-- REPLY    cursor entries
--
-- An entry is the length of its member (4 bytes, little-endian), its time (a double) and the member.
local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local flat, parts = page[2], {}
for i = 1, #flat, 2 do
  parts[#parts + 1] = struct.pack('<I4d', #flat[i], tonumber(flat[i + 1]))
  parts[#parts + 1] = flat[i]
end
return { page[1], table.concat(parts) }
