#!lua flags=allow-oom
-- Applies sealed commits of any number of shards: all checks of all commits, then all writes, one call per structure
-- and per inbox appended to. A refused commit changes nothing and hinders only those of its chain.
-- KEYS     graph appends (meta inbox)* (meta inbox)* (stream)* (structure)*
-- ARGV     commits targets (sequencer number id version position offset records identity image chain)* (parcels records origins parcel*)* (length (commit count argument*)*)* "." ((verb count argument*)* ".")*
-- REPLY    now appends outcomes (tail queued)*
-- OUTCOMES c committed, a already, f fenced, g gap, s stale-graph, u unchained
-- ERRORS   UNKNOWNSHARD, NOSTREAM
--
-- Keys are in the order of use: meta and inbox of each commit, of each target, streams, then the structure of each write. `position`
-- is empty where a commit consumes nothing, `chain` where it stands for itself. `origins` has 8 bytes per parcel: the number of its
-- commit and its records. `tail` is -1 where all parcels of a target were refused. `length` counts the arguments of a stream's entries.
-- allow-oom: a full Redis must take the commits that empty it. What injectors add is bounded by the engine.
local commits, targets = tonumber(ARGV[1]), tonumber(ARGV[2])
local version, time = redis.call('HGET', KEYS[1], 'version'), redis.call('TIME')

-- What is stored of a shard: 1 sequencer, 2 number, 3 id, 4 position, 5 offset, 6 tail, 7 queued. Once the checks are
-- done, `queued` is what the commits of this list leave; a list has one commit of a shard.
local views = {}
local function view(meta)
  if views[meta] then return views[meta] end
  local known = redis.call('HMGET', meta, 'seq', 'num', 'cid', 'pos', 'off', 'tail', 'queued')
  for i = 4, 7 do known[i] = tonumber(known[i]) end
  views[meta] = known
  return known
end

-- Parcels that this consumption drops from the inbox; nil if the inbox is not what its owner thinks.
local function consume(at, inbox, h)
  local position, offset = tonumber(ARGV[h + 4]), tonumber(ARGV[h + 5])
  local drop = position - at[4]
  if drop < 0 or (drop == 0 and offset < at[5]) or position > at[6] or (position == at[6] and offset > 0) then return nil end
  local last = redis.call('LINDEX', inbox, drop + (offset > 0 and 1 or 0)) or ''
  if ARGV[h + 7] ~= (last == '_' and '' or string.sub(last, 1, 24)) then return nil end
  at[7] = at[7] - ARGV[h + 6]
  return drop
end

-- Checks.
local outcomes, drops, broken, refused = {}, {}, {}, false
for c = 1, commits do
  local h, at, outcome = 10 * c - 7, view(KEYS[2 * c + 1]), 'c'
  if ARGV[h] ~= at[1] then outcome = 'f'
  elseif ARGV[h + 1] == at[2] and ARGV[h + 2] == at[3] then outcome = 'a'
  elseif tonumber(ARGV[h + 1]) ~= at[2] + 1 then outcome = 'g'
  elseif ARGV[h + 3] ~= version then outcome = 's'
  elseif ARGV[h + 4] ~= '' then
    drops[c] = consume(at, KEYS[2 * c + 2], h)
    if not drops[c] then outcome = 'g' end
  end
  if outcome ~= 'c' and outcome ~= 'a' and ARGV[h + 9] ~= '' then broken[ARGV[h + 9]] = true end
  outcomes[c], refused = outcome, refused or outcome ~= 'c'
end

-- Of a chain all are applied or none.
for c = 1, refused and commits or 0 do
  local h, at = 10 * c - 7, view(KEYS[2 * c + 1])
  if outcomes[c] == 'c' and broken[ARGV[h + 9]] then outcomes[c], at[7] = 'u', at[7] + (drops[c] and ARGV[h + 6] or 0) end
end

local appends, a, k = {}, 10 * commits + 3, 2 * commits + 3
for t = 1, targets do
  local parcels, records, from, list = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), a + 3, ARGV
  if refused then
    list, records = {}, 0
    for p = 1, parcels do
      local commit, count = struct.unpack('<I4I4', ARGV[a + 2], 8 * p - 7)
      if outcomes[commit] == 'c' then list[#list + 1], records = ARGV[a + 2 + p], records + count end
    end
    from, parcels, a = 1, #list, a + parcels
  else a = a + parcels end
  if parcels > 0 and not view(KEYS[k])[6] then return redis.error_reply('UNKNOWNSHARD ' .. KEYS[k]) end
  appends[t] = { parcels, records, from, list, k }
  a, k = a + 3, k + 2
end

local streams = {}
while ARGV[a] ~= '.' do
  local kind = redis.call('TYPE', KEYS[k]).ok
  if kind ~= 'stream' and kind ~= 'none' then return redis.error_reply('NOSTREAM ' .. KEYS[k]) end
  streams[#streams + 1], a, k = { KEYS[k], a + 1, a + ARGV[a] }, a + 1 + ARGV[a], k + 1
end
a = a + 1

-- Writes.
for _, stream in ipairs(streams) do -- First: should a stream be at its last possible id, nothing else has been written.
  local key, at, last = unpack(stream)
  while at <= last do
    if outcomes[tonumber(ARGV[at])] == 'c' then redis.call('XADD', key, unpack(ARGV, at + 2, at + 1 + ARGV[at + 1])) end
    at = at + 2 + ARGV[at + 1]
  end
end
local VERBS = { h = 'HSET', H = 'HDEL', z = 'ZADD', Z = 'ZREM', X = 'ZREMRANGEBYSCORE' }
for c = 1, commits do
  local taken, h, meta = outcomes[c] == 'c', 10 * c - 7, KEYS[2 * c + 1]
  if taken and drops[c] then
    redis.call('HSET', meta, 'num', ARGV[h + 1], 'cid', ARGV[h + 2], 'img', ARGV[h + 8], 'pos', ARGV[h + 4], 'off', ARGV[h + 5], 'queued', string.format('%.0f', views[meta][7]))
    if drops[c] > 0 then redis.call('LTRIM', KEYS[2 * c + 2], drops[c], -1) end
  elseif taken then redis.call('HSET', meta, 'num', ARGV[h + 1], 'cid', ARGV[h + 2], 'img', ARGV[h + 8]) end
  while ARGV[a] ~= '.' do
    if taken then redis.call(VERBS[ARGV[a]], KEYS[k], unpack(ARGV, a + 2, a + 1 + ARGV[a + 1])) end
    a, k = a + 2 + ARGV[a + 1], k + 1
  end
  a = a + 1
end

local tails, appended = {}, false
for t, append in ipairs(appends) do
  local parcels, records, from, list, key = unpack(append)
  tails[2 * t - 1], tails[2 * t] = -1, 0
  if parcels > 0 then
    local at = view(KEYS[key])
    at[6], at[7], appended = at[6] + parcels, at[7] + records, true
    redis.call('RPUSH', KEYS[key + 1], unpack(list, from, from + parcels - 1))
    redis.call('HSET', KEYS[key], 'tail', string.format('%.0f', at[6]), 'queued', string.format('%.0f', at[7]))
    tails[2 * t - 1], tails[2 * t] = at[6], at[7]
  end
end
return { time[1] * 1000 + math.floor(time[2] / 1000), tonumber(redis.call(appended and 'INCR' or 'GET', KEYS[2])), table.concat(outcomes), tails }
