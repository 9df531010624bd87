-- Write one chunk of a snapshot, which counts for nothing before `publish` or `restore` names it.
--
-- KEYS[7]  the chunk
-- ARGV     store writer tenure ('' for a restore, which needs none) bytes
-- ->       OK     FENCED
-- An open window stays open for five seconds more.

local forming = redis.call('HEXISTS', META, 'store') == 0
if not forming or ARGV[3] ~= '' then
  local known = redis.call('HMGET', META, 'format', 'store')
  if known[1] ~= FORMAT or known[2] ~= ARGV[1] then return guard() or {'GONE', ''} end
end
if ARGV[3] ~= '' and not holds_lease(ARGV[2], ARGV[3]) then return {'FENCED'} end
redis.call('SET', KEYS[7], ARGV[4])
local closes = redis.call('HGET', META, 'win_until')
if closes then  -- whoever writes a state down is waited for
  redis.call('HSET', META, 'win_until', whole(math.max(number(closes), clock(redis.call('HGET', META, 'offset')) + 5000)))
end
return {'OK'}
