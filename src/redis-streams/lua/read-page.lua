#!lua flags=no-writes
-- Reads the entries of a stream after an id, and what the stream is at that same moment. Ends early, with entries left,
-- where they have become many bytes. A stream that is not there has the last id "". A pack is MessagePack: ((id (text*))*).
--
-- KEYS     stream
-- ARGV     after most bytes
-- REPLY    last added length first now whole (pack)*
local key, after, most, bytes = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('EXISTS', key) == 0 then return { '', 0, 0, '', now, 1, {} } end

local facts = {}
local info = redis.call('XINFO', 'STREAM', key)
for i = 1, #info, 2 do facts[info[i]] = info[i + 1] end
local first = facts['first-entry'] and facts['first-entry'][1] or ''

local packs, count, size, whole = {}, 0, 0, 0
while count < most and size < bytes and whole == 0 do
  local asked = math.min(64, most - count)
  local entries = redis.call('XRANGE', key, '(' .. after, '+', 'COUNT', asked)
  if #entries > 0 then
    local pack = cmsgpack.pack(entries)
    packs[#packs + 1] = pack
    count, size, after = count + #entries, size + #pack, entries[#entries][1]
  end
  if #entries < asked or after == facts['last-generated-id'] then whole = 1 end
end
return { facts['last-generated-id'], facts['entries-added'], facts['length'], first, now, whole, packs }
