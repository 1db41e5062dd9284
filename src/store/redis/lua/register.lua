#!lua flags=allow-oom
-- Replaces what the authority has of participants, if it is still what the caller computed the new from; of a percentile
-- track there may be nothing yet, for which empty strings stand.
--
-- KEYS     authority
-- ARGV     (participant owners cells new-owners new-cells published)*
-- REPLY    outcome
-- OUTCOMES r registered, c changed-meanwhile
--
-- `published` is the participant's record (`authority-bytes.ts`): it begins with its id, as a double.

-- Checks.
for a = 1, #ARGV, 6 do
  local stored = redis.call('HMGET', KEYS[1], 'owners:' .. ARGV[a], 'cells:' .. ARGV[a])
  if (stored[1] or '') ~= ARGV[a + 1] or (stored[2] or '') ~= ARGV[a + 2] then return 'c' end
end

-- Writes.
local published = redis.call('HGET', KEYS[1], 'published')
for a = 1, #ARGV, 6 do
  redis.call('HSET', KEYS[1], 'owners:' .. ARGV[a], ARGV[a + 3], 'cells:' .. ARGV[a], ARGV[a + 4])
  local found = #published + 1
  for at = 1, #published, 25 do
    if string.sub(published, at, at + 7) == string.sub(ARGV[a + 5], 1, 8) then found = at end
  end
  published = string.sub(published, 1, found - 1) .. ARGV[a + 5] .. string.sub(published, found + 25)
end
redis.call('HSET', KEYS[1], 'published', published)
return 'r'
