#!lua flags=allow-oom
-- Takes the maximum of each report of a worker and of what its cell has, and gives what is published: of each
-- participant the minimum over its cells, never smaller than before. The rules of `src/watermark/authority.ts`.
--
-- KEYS     authority appends
-- ARGV     worker (participant generation output status last)*
-- REPLY    now appends refused published
--
-- `refused` names participants, separated by spaces. Cells and published values are text (`authority-text.ts`); numbers
-- in it are compared as numbers and kept as they were written, for Lua would print only 14 digits of them.
local END = '9007199254740991'
local CELL = '(%S+) (%d+) (%d+) (%-?%d+) (%a) (%-?%d+);'
local function larger(x, y) return tonumber(x) > tonumber(y) and x or y end

-- The cells after this report, and what follows from them; nil if it is refused.
local function take(cells, a)
  local list, least, last, found, count, all = {}, END, '-1', false, 0, {}
  for worker, generation, shards, output, status, latest in string.gmatch(cells, CELL) do
    if worker == ARGV[1] and generation == ARGV[a + 1] then
      found, output, status, latest = true, larger(output, ARGV[a + 2]), ARGV[a + 3], larger(latest, ARGV[a + 4])
    end
    local holds = status == 'f' and END or output
    if tonumber(holds) < tonumber(least) then least = holds end
    last, count, all[status] = larger(last, latest), count + 1, (all[status] or 0) + 1
    list[count] = table.concat({ worker, generation, shards, output, status, latest }, ' ') .. ';'
  end
  if not found then return nil end
  local finished, idle = all.f or 0, all.i or 0
  local status = finished == count and 'f' or finished + idle == count and 'i' or all.b and 'b' or 'l'
  return table.concat(list), least, status, last
end

local fields = { 'published' }
for a = 2, #ARGV, 5 do fields[#fields + 1] = 'cells:' .. ARGV[a] end
local stored = redis.call('HMGET', KEYS[1], unpack(fields))
local published, refused, changed, cells = stored[1] or '', {}, {}, {}
for i = 2, #fields do cells[fields[i]] = cells[fields[i]] or stored[i] end
for a = 2, #ARGV, 5 do
  local field = 'cells:' .. ARGV[a]
  local now, least, status, last = take(cells[field] or '', a)
  if not now then refused[#refused + 1] = ARGV[a]
  elseif now ~= cells[field] then
    changed[#changed + 1], changed[#changed + 2], cells[field] = field, now, now
    local line = '#' .. ARGV[a] .. ' '
    local output, _, latest = string.match(published, line .. '(%-?%d+) (%a) (%-?%d+);')
    published = string.gsub(published, line .. '[^;]*;', line .. larger(output, least) .. ' ' .. status .. ' ' .. larger(latest, last) .. ';')
  end
end

-- Writes.
if #changed > 0 then redis.call('HSET', KEYS[1], 'published', published, unpack(changed)) end
local time = redis.call('TIME')
return { time[1] * 1000 + math.floor(time[2] / 1000), tonumber(redis.call('GET', KEYS[2]) or 0), table.concat(refused, ' '), published }
