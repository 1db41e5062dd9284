#!lua flags=no-writes
-- Reads a page of the names in a hash or a sorted set that begin with one of some prefixes, none of which is empty.
--
-- KEYS     structure
-- ARGV     type cursor count (prefix)*
-- REPLY    cursor (name)*
-- ERRORS   UNKNOWNSHARD
--
-- `type` is hash or zset. A page looks at about `count` entries, and may give none of them.
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('UNKNOWNSHARD ' .. KEYS[1]) end
local wanted = {}
for a = 4, #ARGV do
  local size = #ARGV[a]
  wanted[size] = wanted[size] or {}
  wanted[size][ARGV[a]] = true
end
local page, names = nil, {}
if ARGV[1] == 'hash' then page = redis.call('HSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])
else page = redis.call('ZSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3]) end
for i = 1, #page[2], 2 do
  local name = page[2][i]
  for size, prefixes in pairs(wanted) do
    if prefixes[string.sub(name, 1, size)] then
      names[#names + 1] = name
      break
    end
  end
end
return { page[1], names }
