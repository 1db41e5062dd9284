#!lua flags=allow-oom
-- Takes the maximum of each report of a worker and of what its cell has, and gives what is published: of each
-- participant the minimum over its cells, never smaller than before. The rules of `src/watermark/authority.ts`.
--
-- KEYS     authority appends
-- ARGV     worker (participant generation number output last status)*
-- REPLY    now appends refused published
--
-- `worker` is the digest of its name, `refused` names participants, separated by spaces. Cells and published values are
-- records (`authority-bytes.ts`).
local CELL, CELL_SIZE, PUBLISHED, PUBLISHED_SIZE, END = '<c16ddddc1', 49, '<dddc1', 25, 9007199254740991
local max, sub, pack, unpackRecord = math.max, string.sub, struct.pack, struct.unpack

-- The cells with a report taken, or unchanged by an old one; nil if it is refused: the worker's shards are not what it
-- thinks.
local function take(cells, generation, number, output, last, status)
  for at = 1, #cells, CELL_SIZE do
    local worker, given, newest, had, latest = unpackRecord(CELL, cells, at)
    if worker == ARGV[1] then
      if given ~= generation then return nil end
      if number <= newest then return cells end
      return sub(cells, 1, at - 1) .. pack(CELL, worker, given, number, max(had, output), max(latest, last), status) .. sub(cells, at + CELL_SIZE)
    end
  end
end

-- What follows from cells: the least output, the latest event time and the status of all.
local function combine(cells)
  local least, last, count, all = END, -1, #cells / CELL_SIZE, { l = 0, i = 0, b = 0, f = 0 }
  for at = 1, #cells, CELL_SIZE do
    local _, _, _, output, latest, status = unpackRecord(CELL, cells, at)
    if status ~= 'f' and output < least then least = output end
    last, all[status] = max(last, latest), all[status] + 1
  end
  return least, last, all.f == count and 'f' or all.f + all.i == count and 'i' or all.b > 0 and 'b' or 'l'
end

local fields = { 'published' }
for a = 2, #ARGV, 6 do fields[#fields + 1] = 'cells:' .. ARGV[a] end
local stored = redis.call('HMGET', KEYS[1], unpack(fields))
local published, cells, refused, changed = stored[1] or '', {}, {}, {}
for i = 2, #fields do cells[fields[i]] = stored[i] or '' end
for a = 2, #ARGV, 6 do
  local field = 'cells:' .. ARGV[a]
  local now = take(cells[field], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]), ARGV[a + 5])
  if not now then refused[#refused + 1] = ARGV[a]
  elseif now ~= cells[field] then cells[field], changed[tonumber(ARGV[a])] = now, now end
end

local records, writes = {}, {}
for at = 1, next(changed) and #published or 0, PUBLISHED_SIZE do
  local participant, output, latest, status = unpackRecord(PUBLISHED, published, at)
  if changed[participant] then
    local least, last, combined = combine(changed[participant])
    output, latest, status = max(output, least), max(latest, last), combined
    writes[#writes + 1], writes[#writes + 2] = 'cells:' .. participant, changed[participant]
  end
  records[#records + 1] = pack(PUBLISHED, participant, output, latest, status)
end

-- Writes.
if #writes > 0 then
  published = table.concat(records)
  redis.call('HSET', KEYS[1], 'published', published, unpack(writes))
end
local time = redis.call('TIME')
return { time[1] * 1000 + math.floor(time[2] / 1000), tonumber(redis.call('GET', KEYS[2]) or 0), table.concat(refused, ' '), published }
