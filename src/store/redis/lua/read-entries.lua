#!lua flags=no-writes
-- Reads a page of a hash, for an audit: one string for all, since a reply of many is dear to take apart.
--
-- KEYS     structure
-- ARGV     cursor count most
-- REPLY    cursor bytes entries
--
-- An entry is the lengths of its name and of its value, and how much of the value follows (at most `most` bytes; 4 bytes
-- each, little-endian), then the name and that much of the value. `bytes` are those of all values, whole.
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local most, flat, parts, bytes = tonumber(ARGV[3]), page[2], {}, 0
for i = 1, #flat, 2 do
  local name, value = flat[i], flat[i + 1]
  local kept = math.min(#value, most)
  parts[#parts + 1] = struct.pack('<I4I4I4', #name, #value, kept)
  parts[#parts + 1] = name
  parts[#parts + 1] = kept < #value and string.sub(value, 1, kept) or value
  bytes = bytes + #value
end
return { page[1], bytes, table.concat(parts) }
