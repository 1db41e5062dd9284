#!lua flags=allow-oom
-- Puts outbox entries of other atomic domains into inboxes, each once and in order, by their places in the channels
-- (sender, receiver): the rules of `src/dedup/place.ts`.
--
-- KEYS     appends (meta inbox marks)*
-- ARGV     targets (deliveries (sender monotonic n previous-monotonic previous-n records parcel)*)*
-- REPLY    appends ((outcome mark)*)* (tail queued)*
-- OUTCOMES d delivered, u duplicate, b behind, l after-loss, g gone
--
-- The previous place is empty where the sender knows of none. `tail` is -1 where nothing was appended.
-- allow-oom: what was delivered is what lets the sender's outbox be emptied.
local function judge(mark, monotonic, n, previous, before)
  if monotonic < mark[1] or (monotonic == mark[1] and n <= mark[2]) then return 'u' end
  local same = (previous or 0) == mark[1] and (before or 0) == mark[2]
  if monotonic == mark[1] and n == mark[2] + 1 or monotonic > mark[1] and n == 1 and same then return 'd' end
  if previous and same then return 'l' end
  if n ~= 1 or monotonic == mark[1] then return 'b' end
  return ((previous or 0) < mark[1] or ((previous or 0) == mark[1] and (before or 0) < mark[2])) and 'l' or 'b'
end

-- Checks.
local targets, a, appends = tonumber(ARGV[1]), 2, {}
for t = 1, targets do
  local meta, marks = KEYS[3 * t - 1], KEYS[3 * t + 1]
  local stored = redis.call('HMGET', meta, 'tail', 'queued')
  local append = { parcels = {}, marks = {}, outcomes = {}, tail = tonumber(stored[1] or 0), queued = tonumber(stored[2] or 0) }
  for d = 1, tonumber(ARGV[a]) do
    local h = a + 7 * d - 6
    local sender = ARGV[h]
    local text = append.marks[sender] or redis.call('HGET', marks, sender)
    local monotonic, place = string.match(text or '0.0', '^(%d+)%.(%d+)$')
    local mark = { tonumber(monotonic), tonumber(place) }
    local outcome = not stored[1] and 'g' or judge(mark, tonumber(ARGV[h + 1]), tonumber(ARGV[h + 2]), tonumber(ARGV[h + 3]), tonumber(ARGV[h + 4]))
    if outcome == 'd' or outcome == 'l' then
      text = ARGV[h + 1] .. '.' .. ARGV[h + 2]
      append.marks[sender], append.parcels[#append.parcels + 1] = text, ARGV[h + 6]
      append.tail, append.queued = append.tail + 1, append.queued + ARGV[h + 5]
    end
    append.outcomes[2 * d - 1], append.outcomes[2 * d] = outcome, text or ''
  end
  a, appends[t] = a + 1 + 7 * tonumber(ARGV[a]), append
end

-- Writes.
local outcomes, tails, appended = {}, {}, false
for t, append in ipairs(appends) do
  local parcels = append.parcels
  outcomes[t], tails[2 * t - 1], tails[2 * t] = append.outcomes, -1, 0
  if #parcels > 0 then
    for first = 1, #parcels, 1000 do redis.call('RPUSH', KEYS[3 * t], unpack(parcels, first, math.min(first + 999, #parcels))) end
    for sender, mark in pairs(append.marks) do redis.call('HSET', KEYS[3 * t + 1], sender, mark) end
    redis.call('HSET', KEYS[3 * t - 1], 'tail', string.format('%.0f', append.tail), 'queued', string.format('%.0f', append.queued))
    tails[2 * t - 1], tails[2 * t], appended = append.tail, append.queued, true
  end
end
return { tonumber(redis.call(appended and 'INCR' or 'GET', KEYS[1])), outcomes, tails }
