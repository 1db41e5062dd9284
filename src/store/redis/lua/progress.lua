#!lua flags=no-writes
-- Reads how far shards are with what was appended to them, and what of it stands aside or is not delivered.
--
-- KEYS     (meta held outbox)*
-- ARGV
-- REPLY    (position tail image (held)* (outbox)*)*
-- ERRORS   UNKNOWNSHARD
--
-- held, outbox: names of entries, the sentinel among them.
local shards = {}
for k = 1, #KEYS, 3 do
  local stored = redis.call('HMGET', KEYS[k], 'pos', 'tail', 'img')
  if not stored[1] then return redis.error_reply('UNKNOWNSHARD ' .. KEYS[k]) end
  shards[#shards + 1] = { stored, redis.call('HKEYS', KEYS[k + 1]), redis.call('HKEYS', KEYS[k + 2]) }
end
return shards
