#!lua
-- Appends those entries of a sink that the stream does not have yet. What it has after an id is looked through first, so
-- that no entry is there twice, whoever else has appended since; where that is much, the call ends before it appends.
--
-- KEYS     stream
-- ARGV     after number sink most look (record count (field value)*)*
-- REPLY    outcome last added removed (record)*
-- OUTCOMES a appended, m more-to-look-through, r removed-meanwhile, l lost
local key, after, number, sink, most, look = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])

local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end
local function before(a, b)
  local ms, sequence = string.match(a, '^(%d+)%-(%d+)$')
  local other, others = string.match(b, '^(%d+)%-(%d+)$')
  return less(ms, other) or ms == other and less(sequence, others)
end

-- Checks.
local last, added, removed = '0-0', 0, 0
if redis.call('EXISTS', key) == 1 then
  local facts = {}
  local info = redis.call('XINFO', 'STREAM', key)
  for i = 1, #info, 2 do facts[info[i]] = info[i + 1] end
  last, added, removed = facts['last-generated-id'], facts['entries-added'], facts['entries-added'] - facts['length']
end
if before(last, after) or added < number then return { 'l', last, added, removed, {} } end
if removed > number then return { 'r', last, added, removed, {} } end

local found, there, looked = {}, {}, 0
while after ~= last do
  if looked >= look then return { 'm', after, added, removed, found } end
  local entries = redis.call('XRANGE', key, '(' .. after, '+', 'COUNT', 64)
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    for i = 1, #fields, 2 do
      if fields[i] == 'millrace' and string.sub(fields[i + 1], 1, #sink) == sink then
        local record = string.sub(fields[i + 1], #sink + 1)
        found[#found + 1] = record
        there[record] = true
      end
    end
    after = entry[1]
  end
  looked = looked + #entries
  if #entries < 64 then after = last end
end

-- Writes.
local at = 6
while at < #ARGV do
  local record, texts = ARGV[at], 2 * ARGV[at + 1]
  if not there[record] then
    local fields = { unpack(ARGV, at + 2, at + 1 + texts) }
    fields[texts + 1], fields[texts + 2] = 'millrace', sink .. record
    if most == '' then
      last = redis.call('XADD', key, '*', unpack(fields))
    else
      last = redis.call('XADD', key, 'MAXLEN', '~', most, '*', unpack(fields))
    end
    added = added + 1
  end
  at = at + 2 + texts
end
return { 'a', last, added, removed, found }
